// The optimizer's ops on CUDA: one launch for as many tensors as its parameters hold, a block a chunk.
#include "call.h"
#include "math/portable.h"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;
using whole_block = row_group<false, 1>;
constexpr int E = slot_elements<float, true>;
using slot_t = packed<float, E>;

// Tensors of one launch, which takes their chunks one behind the other: its parameters are 4 KB at most.
template <class Span, int Most>
struct span_list {
  Span spans[Most];
  int64_t ends[Most];  // the chunks of a tensor and of those before it
  int32_t count;
};

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

// Fills lists with tensors number 0 to `count`, and launches each: run(list, chunks before it). `chunk`: its elements.
template <class List, class Make, class Run>
pc_status for_each_list(int32_t count, int64_t chunk, Make make, Run run) {
  constexpr int32_t most = int32_t(sizeof(List{}.ends) / sizeof(int64_t));
  int64_t before = 0;
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
    if (pc_status status = run(list, before)) return status;
    before += chunks;
  }
  return PC_OK;
}

float* data_of(const pc_tensor& tensor) { return static_cast<float*>(tensor.data); }

// --- the sum of squares ---

struct square_span {
  const float* x;
  int64_t size;
};
using square_list = span_list<square_span, 128>;

__global__ void __launch_bounds__(threads, 4)
    squaresum_kernel(const __grid_constant__ square_list list, double* partials) {
  __shared__ whole_block::shared room;
  whole_block group(room);
  const int64_t chunks = list.ends[list.count - 1];
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const place_in_list at = find(list, chunk);
    const square_span& span = list.spans[at.tensor];
    const int64_t first = at.chunk * list_chunk, left = span.size - first;
    const slotted_row<const float> x(span.x + first, left < list_chunk ? left : list_chunk);
    const auto sum_as = [&](auto zero) {
      decltype(zero) sum[1];
      sum_slots<1, E>(
          group, x.cols, sum, [&](int64_t i) { return x.load(i); },
          [](int64_t, const slot_t& slot, decltype(zero)* squares) {
#pragma unroll
            for (int k = 0; k < E; ++k) squares[0] += decltype(zero)(slot[k]) * decltype(zero)(slot[k]);
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
  __shared__ whole_block::shared room;
  whole_block group(room);
  double sum[1] = {};
  for (int64_t i = threadIdx.x; i < chunks; i += threads) sum[0] += partials[i];
  group.sum(sum);
  if (threadIdx.x == 0) *total = float(sum[0]);
}

// --- AdamW ---

struct adamw_spans {
  float* p;
  const float* g;
  float *m, *v;
  int64_t size;
};
using adamw_list = span_list<adamw_spans, 64>;
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

__global__ void __launch_bounds__(threads, 4)
    adamw_kernel(const __grid_constant__ adamw_list list, const float* rates) {
  const adamw_step step(rates);
  const int64_t chunks = list.ends[list.count - 1];
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const place_in_list place = find(list, chunk);
    const adamw_spans& span = list.spans[place.tensor];
    const int64_t first = place.chunk * adamw_chunk, left = span.size - first;
    const int64_t size = left < adamw_chunk ? left : adamw_chunk;
    const slotted_row<const float> g(span.g + first, size);
    const slotted_row<float> p(span.p + first, size), m(span.m + first, size), v(span.v + first, size);
    for (int64_t at = int64_t(threadIdx.x) * E; at < size; at += threads * E) {
      const slot_t gradient = g.load(at);
      slot_t values = p.load(at), first_moments = m.load(at), second_moments = v.load(at);
#pragma unroll
      for (int i = 0; i < E; ++i)
        step.update(values.parts[i], gradient[i], first_moments.parts[i], second_moments.parts[i]);
      p.store(at, values);
      m.store(at, first_moments);
      v.store(at, second_moments);
    }
  }
}

}  // namespace

pc_status squaresum(pc_queue& queue, const squaresum_call& call) {
  const auto span = [&](int32_t i) {
    return square_span{data_of(call.tensors[i]), count_elements(call.tensors[i])};
  };
  const auto run = [&](const square_list& list, int64_t before) {
    double* partials = call.partials + before;
    return launch(queue, {list.ends[list.count - 1], threads}, squaresum_kernel, list, partials);
  };
  if (pc_status status = for_each_list<square_list>(call.count, list_chunk, span, run)) return status;
  const double* all = call.partials;
  return launch(queue, {1, threads}, squaresum_total_kernel, all, call.chunks, call.sum);
}

pc_status adamw(pc_queue& queue, const adamw_call& call) {
  const auto span = [&](int32_t i) {
    const pc_tensor* t = call.tensors + 4 * i;
    return adamw_spans{data_of(t[0]), data_of(t[1]), data_of(t[2]), data_of(t[3]), count_elements(t[0])};
  };
  return for_each_list<adamw_list>(call.count, adamw_chunk, span, [&](const adamw_list& list, int64_t) {
    return launch(queue, {list.ends[list.count - 1], threads}, adamw_kernel, list, call.rates);
  });
}

pc_status mixedadamw(pc_queue&, const adamw_call&) {
  return fail(PC_UNSUPPORTED, "mixedadamw: there are no kernels for CUDA");
}

}  // namespace cuda
}  // namespace polycom
