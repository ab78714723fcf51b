// The optimizer's ops on the CPU: one pass over memory, chunks of all tensors shared among the threads.
#include <math.h>

#include "call.h"
#include "runtime/cpu/simd.h"
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

// Plain enough for the compiler to make vectors of.
void update(const adamw_rates& r, float* __restrict p, const float* __restrict g, float* __restrict m,
            float* __restrict v, int64_t n) {
  const float kept = 1.0f - r.rate * r.decay, step = r.rate / r.correction1;
  const float inverse_root = 1.0f / r.root_correction2;
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * r.scale;
    const float first = r.beta1 * m[i] + r.rest1 * gradient;
    const float second = r.beta2 * v[i] + r.rest2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    p[i] = p[i] * kept - step * first / (sqrtf(second) * inverse_root + r.epsilon);
  }
}

}  // namespace

namespace PC_ISA {

pc_status squaresum(pc_queue& queue, const squaresum_call& call) {
  for_each_chunk_of(queue, call, [&](int64_t i) {
    const place at = place_of(call.tensors, 1, i);
    const float* x = static_cast<const float*>(call.tensors[at.tensor].data) + at.first;
    wide_vec squares{};
    const int64_t n = at.past - at.first;
    for (int64_t k = 0; k < n; k += lanes) {
      const wide_vec v =
          __builtin_convertvector(load_up_to(x + k, n - k < lanes ? n - k : int64_t(lanes)), wide_vec);
      squares += v * v;
    }
    call.partials[i] = sum_of_lanes(squares);
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
    const place at = place_of(call.tensors, 4, i);
    const pc_tensor* t = call.tensors + 4 * at.tensor;
    const auto span = [&](int32_t k) { return static_cast<float*>(t[k].data) + at.first; };
    update(rates, span(0), span(1), span(2), span(3), at.past - at.first);
  });
  return PC_OK;
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
