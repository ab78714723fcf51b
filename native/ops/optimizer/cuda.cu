// The optimizer's ops on CUDA: one launch for as many tensors of a storage as its parameters hold, a block a chunk.
#include "call.h"
#include "math/portable.h"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;

// Tensors of one launch, which takes their chunks one behind the other: its parameters are 4 KB at most.
template <class Span, int Most>
struct span_list {
  Span spans[Most];
  int64_t ends[Most];  // the chunks of a tensor and of those before it
  int32_t count;
};

// The dtype of a storage.
template <class T>
constexpr pc_dtype dtype_of = PC_F32;
template <>
constexpr pc_dtype dtype_of<__half> = PC_F16;
template <>
constexpr pc_dtype dtype_of<__nv_bfloat16> = PC_BF16;

// run(type_tag) with every storage, up to one that fails.
template <class Run>
pc_status for_each_storage(Run run) {
  for (const pc_dtype dtype : {PC_F32, PC_F16, PC_BF16}) {
    if (pc_status status = with_storage(dtype, run)) return status;
  }
  return PC_OK;
}

// Which tensor a chunk is of, and which of its chunks.
struct place_in_list {
  int tensor;
  int64_t chunk;
};

template <class List>
__device__ __forceinline__ place_in_list find(const List& list, int64_t chunk) {
  int low = 0, high = list.count - 1;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (chunk < list.ends[middle]) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return {low, low == 0 ? chunk : chunk - list.ends[low - 1]};
}

// Fills lists with tensors number 0 to `count` but for those of no elements, and launches each: run(list, its chunks).
// `chunk`: the elements of one.
template <class List, class Make, class Run>
pc_status for_each_list(int32_t count, int64_t chunk, Make make, Run run) {
  constexpr int32_t most = int32_t(sizeof(List{}.ends) / sizeof(int64_t));
  for (int32_t i = 0; i < count;) {
    List list{};
    int64_t chunks = 0;
    for (; i < count && list.count < most; ++i) {
      const auto span = make(i);
      if (span.size == 0) continue;
      chunks += divide_up(span.size, chunk);
      list.spans[list.count] = span;
      list.ends[list.count++] = chunks;
    }
    if (list.count == 0) continue;
    if (pc_status status = run(list, chunks)) return status;
  }
  return PC_OK;
}

// The elements that a launch for storage T takes of a tensor: those of another are left to theirs.
template <class T>
int64_t size_in(const pc_tensor& tensor) {
  return tensor.dtype == dtype_of<T> ? count_elements(tensor) : 0;
}

// --- the sum of squares ---

template <class T>
struct square_span {
  const T* x;
  int64_t size;
};
template <class T>
using square_list = span_list<square_span<T>, 128>;

template <class T>
__global__ void __launch_bounds__(threads, 4)
    squaresum_kernel(const __grid_constant__ square_list<T> list, double* partials) {
  constexpr int E = slot_elements<T, true>;
  __shared__ group_of_row::shared room;
  group_of_row group(room);
  const int64_t chunks = list.ends[list.count - 1];
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const place_in_list at = find(list, chunk);
    const square_span<T>& span = list.spans[at.tensor];
    const int64_t first = at.chunk * list_chunk, left = span.size - first;
    const slotted_row<const T> x(span.x + first, left < list_chunk ? left : list_chunk);
    const auto sum_as = [&](auto zero) {
      using D = decltype(zero);
      D sum[1];
      sum_slots<1, E>(
          group, x.cols, sum, [&](int64_t i) { return x.load(i); },
          [&](int64_t, const packed<T, E>& slot, D* squares) {
#pragma unroll
            for (int k = 0; k < E; ++k) squares[0] += D(slot[k]) * D(slot[k]);
          });
      return double(sum[0]);
    };
    double sum = sum_as(0.0f);
    // Squares may leave float's range though the sum of all does not.
    if (!(sum < 1e30 && sum > 1e-30)) sum = sum_as(0.0);
    if (threadIdx.x == 0) partials[chunk] = sum;
  }
}

__global__ void __launch_bounds__(threads, 4)
    squaresum_total_kernel(const double* partials, int64_t chunks, float* total) {
  __shared__ group_of_row::shared room;
  group_of_row group(room);
  double sum[1] = {};
  for (int64_t i = threadIdx.x; i < chunks; i += threads) sum[0] += partials[i];
  group.sum(sum);
  if (threadIdx.x == 0) *total = float(sum[0]);
}

// --- AdamW ---

// Gradients of storage G, and copies of storage C: f32 is none.
template <class G, class C>
struct adamw_spans {
  float* p;
  const G* g;
  float *m, *v;
  C* copy;
  int64_t size;
};
template <class G, class C>
using adamw_list = span_list<adamw_spans<G, C>, 64>;
template <class C>
constexpr bool is_copied = sizeof(C) < sizeof(float);
constexpr int64_t adamw_chunk = 16 * threads;  // elements: so few that the GPU's blocks share them evenly

struct adamw_step {
  adamw_rates r;
  float kept, step, inverse_root;

  __device__ __forceinline__ explicit adamw_step(const float* rates) {
    float* of = &r.rate;
#pragma unroll
    for (int i = 0; i < int(adamw_rate_count); ++i) of[i] = rates[i];
    kept = 1.0f - r.rate * r.decay;
    step = r.rate * reciprocal(r.correction1);
    inverse_root = reciprocal(r.root_correction2);
  }

  __device__ __forceinline__ void update(float& p, float g, float& m, float& v) const {
    const float gradient = g * r.scale;
    m = r.beta1 * m + r.rest1 * gradient;
    v = r.beta2 * v + r.rest2 * (gradient * gradient);
    const float root = v == 0 ? 0.0f : v * reciprocal_square_root(v);
    p = p * kept - step * m * reciprocal(root * inverse_root + r.epsilon);
  }
};

template <class G, class C>
__global__ void __launch_bounds__(threads, 4)
    adamw_kernel(const __grid_constant__ adamw_list<G, C> list, const float* rates) {
  constexpr int E = slot_elements<float, true>;
  using slot = packed<float, E>;
  const adamw_step step(rates);
  const int64_t chunks = list.ends[list.count - 1];
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const place_in_list place = find(list, chunk);
    const adamw_spans<G, C>& span = list.spans[place.tensor];
    const int64_t first = place.chunk * adamw_chunk, left = span.size - first;
    const int64_t size = left < adamw_chunk ? left : adamw_chunk;
    const slotted_row<const G, E> g(span.g + first, size);
    const slotted_row<float> p(span.p + first, size), m(span.m + first, size), v(span.v + first, size);
    const slotted_row<C, E> copy(span.copy + first, size);
    for (int64_t at = int64_t(threadIdx.x) * E; at < size; at += threads * E) {
      const auto gradient = g.load(at);
      slot values = p.load(at), first_moments = m.load(at), second_moments = v.load(at);
#pragma unroll
      for (int i = 0; i < E; ++i)
        step.update(values.parts[i], gradient[i], first_moments.parts[i], second_moments.parts[i]);
      p.store(at, values);
      m.store(at, first_moments);
      v.store(at, second_moments);
      if constexpr (is_copied<C>) copy.store(at, packed<C, E>::of(values.parts));
    }
  }
}

// The parameters of one pair of storages.
template <class G, class C>
pc_status adamw_of(const pc_queue& queue, const adamw_call& call) {
  const auto span = [&](int32_t i) {
    const pc_tensor* t = call.tensors + call.each * i;
    const auto master = [&](int32_t k) { return static_cast<float*>(t[k].data); };
    const bool copied = !is_copied<C> || t[COPY].dtype == dtype_of<C>;
    return adamw_spans<G, C>{master(PARAMETER),
                             static_cast<const G*>(t[GRADIENT].data),
                             master(M),
                             master(V),
                             is_copied<C> ? static_cast<C*>(t[COPY].data) : nullptr,
                             copied ? size_in<G>(t[GRADIENT]) : 0};
  };
  const auto run = [&](const adamw_list<G, C>& list, int64_t chunks) {
    return launch(queue, {chunks, threads}, adamw_kernel<G, C>, list, call.rates);
  };
  return for_each_list<adamw_list<G, C>>(call.count, adamw_chunk, span, run);
}

}  // namespace

pc_status squaresum(pc_queue& queue, const squaresum_call& call) {
  int64_t before = 0;
  const pc_status status = for_each_storage([&](auto storage) {
    using T = typename decltype(storage)::type;
    const auto span = [&](int32_t i) {
      const pc_tensor& tensor = call.tensors[i];
      return square_span<T>{static_cast<const T*>(tensor.data), size_in<T>(tensor)};
    };
    const auto run = [&](const square_list<T>& list, int64_t chunks) {
      double* partials = call.partials + before;
      before += chunks;
      return launch(queue, {chunks, threads}, squaresum_kernel<T>, list, partials);
    };
    return for_each_list<square_list<T>>(call.count, list_chunk, span, run);
  });
  if (status != PC_OK) return status;
  const double* all = call.partials;
  return launch(queue, {1, threads}, squaresum_total_kernel, all, call.chunks, call.sum);
}

pc_status adamw(pc_queue& queue, const adamw_call& call) {
  return for_each_storage(
      [&](auto gradient) { return adamw_of<typename decltype(gradient)::type, float>(queue, call); });
}

pc_status mixedadamw(pc_queue& queue, const adamw_call& call) {
  return for_each_storage([&](auto gradient) {
    using G = typename decltype(gradient)::type;
    if (pc_status status = adamw_of<G, __half>(queue, call)) return status;
    return adamw_of<G, __nv_bfloat16>(queue, call);
  });
}

}  // namespace cuda
}  // namespace polycom
