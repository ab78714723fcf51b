// The optimizer's ops on the CPU: one pass over memory, chunks of all tensors shared among the threads.
#include "call.h"
#include "math/portable.h"
#include "runtime/cpu/storage.h"
#include "runtime/threads.h"

namespace polycom {
namespace cpu {
namespace {

// Where chunk i lies: `tensor` of a list in steps of `each`, elements [first, past).
struct place {
  int32_t tensor;
  int64_t first, past;
};

place place_of(const pc_tensor* tensors, int32_t each, int64_t chunk) {
  int32_t t = 0;
  for (;; ++t) {
    const int64_t size = count_elements(tensors[t * each]), chunks = chunks_of(size);
    if (chunk < chunks) {
      const int64_t first = chunk * list_chunk, past = first + list_chunk;
      return {t, first, past < size ? past : size};
    }
    chunk -= chunks;
  }
}

template <class Call, class Body>
void for_each_chunk_of(const pc_queue& queue, const Call& call, Body body) {
  parallel_for(
      call.chunks, queue.threads, [](void* opaque, int64_t i) { (*static_cast<Body*>(opaque))(i); }, &body);
}

template <class T>
double sum_of_squares(const T* x, int64_t n) {
  wide_vec squares{};
  for (int64_t i = 0; i < n; i += lanes) {
    const wide_vec v = widened(load_up_to(x + i, n - i < lanes ? n - i : int64_t(lanes)));
    squares += v * v;
  }
  return sum_of_lanes(squares);
}

// What a chunk of a parameter has; `copy` is null where there is none, and C is then float.
template <class G, class C>
struct adamw_spans {
  float* p;
  const G* g;
  float *m, *v;
  C* copy;
};

template <class G, class C>
void update(const adamw_rates& r, const adamw_spans<G, C>& of, int64_t n) {
  const float kept = 1.0f - r.rate * r.decay, step = r.rate / r.correction1;
  const float inverse_root = 1.0f / r.root_correction2;
  const auto update_at = [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    const vec gradient = load_up_to(of.g + i, count) * r.scale;
    const vec first = r.beta1 * load_up_to(of.m + i, count) + r.rest1 * gradient;
    const vec second = r.beta2 * load_up_to(of.v + i, count) + r.rest2 * (gradient * gradient);
    const vec moved = step * first / (square_root(second) * inverse_root + r.epsilon);
    const vec p = load_up_to(of.p + i, count) * kept - moved;
    output<float>{of.m}.template put<false>(i, count, first);
    output<float>{of.v}.template put<false>(i, count, second);
    output<float>{of.p}.template put<false>(i, count, p);
    if constexpr (sizeof(C) < sizeof(float)) output<C>{of.copy}.template put<false>(i, count, p);
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) update_at(i, lanes);
  if (i < n) update_at(i, n - i);
}

}  // namespace

namespace PC_ISA {

pc_status squaresum(pc_queue& queue, const squaresum_call& call) {
  for_each_chunk_of(queue, call, [&](int64_t i) {
    const place at = place_of(call.tensors, 1, i);
    const pc_tensor& tensor = call.tensors[at.tensor];
    with_storage(tensor.dtype, [&](auto storage) {
      const auto* x = static_cast<const typename decltype(storage)::type*>(tensor.data) + at.first;
      call.partials[i] = sum_of_squares(x, at.past - at.first);
      return PC_OK;
    });
  });
  double sum = 0;
  for (int64_t i = 0; i < call.chunks; ++i) sum += call.partials[i];
  *call.sum = float(sum);
  return PC_OK;
}

pc_status adamw(pc_queue& queue, const adamw_call& call) {
  adamw_rates rates;
  static_assert(sizeof rates == size_t(adamw_rate_count) * sizeof(float), "hyper has a rate for each member");
  memcpy(&rates, call.rates, sizeof rates);
  for_each_chunk_of(queue, call, [&](int64_t i) {
    const place at = place_of(call.tensors, call.each, i);
    const pc_tensor* t = call.tensors + call.each * at.tensor;
    const bool copies = call.each > COPY;
    with_storage(t[GRADIENT].dtype, [&](auto gradient) {
      return with_storage(copies ? t[COPY].dtype : PC_F32, [&](auto copy) {
        using G = typename decltype(gradient)::type;
        using C = typename decltype(copy)::type;
        const auto master = [&](int32_t k) { return static_cast<float*>(t[k].data) + at.first; };
        const adamw_spans<G, C> spans{master(PARAMETER), static_cast<const G*>(t[GRADIENT].data) + at.first,
                                      master(M), master(V),
                                      copies ? static_cast<C*>(t[COPY].data) + at.first : nullptr};
        update(rates, spans, at.past - at.first);
        return PC_OK;
      });
    });
  });
  return PC_OK;
}

pc_status mixedadamw(pc_queue& queue, const adamw_call& call) { return adamw(queue, call); }

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
