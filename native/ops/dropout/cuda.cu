// Dropout on CUDA: native/ops/dropout/cpu.cpp says what it is. A thread takes as many counters as a slot has elements,
// and so four slots.
#include "call.h"
#include "math/dropout.h"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;
constexpr int words = dropout_group / dropout_counters;  // of a counter

template <class T>
__global__ void __launch_bounds__(threads, 3) dropout_kernel(const dropout_call call, int64_t units) {
  constexpr int E = slot_elements<T, true>;
  static_assert(dropout_counters % E == 0, "a thread's counters are of one group");
  const uint32_t key[2] = {uint32_t(call.seed[0]), uint32_t(call.seed[1])};
  const slotted_row<const T> x(static_cast<const T*>(call.x), call.count);
  const slotted_row<T> y(static_cast<T*>(call.y), call.count);
  for (int64_t unit = int64_t(blockIdx.x) * threads + threadIdx.x; unit < units;
       unit += int64_t(gridDim.x) * threads) {
    const int64_t counter = unit * E;
    const int64_t first = counter / dropout_counters * dropout_group + counter % dropout_counters;
    packed<T, E> held[words];
#pragma unroll
    for (int k = 0; k < words; ++k) held[k] = x.load(first + k * dropout_counters);
    float kept[words][E];
#pragma unroll
    for (int i = 0; i < E; ++i) {
      const auto random = philox(uint32_t(counter) + i, uint32_t(uint64_t(counter) >> 32), key);
#pragma unroll
      for (int k = 0; k < words; ++k)
        kept[k][i] = held[k][i] * (random.word[k] >= call.threshold ? call.scale : 0.0f);
    }
#pragma unroll
    for (int k = 0; k < words; ++k) y.store(first + k * dropout_counters, packed<T, E>::of(kept[k]));
  }
}

}  // namespace

pc_status dropout_forward(pc_queue& queue, const dropout_call& call) {
  if (call.count == 0) return PC_OK;
  return with_storage(call.dtype, [&](auto storage) {
    using T = typename decltype(storage)::type;
    const int64_t units = divide_up(call.count, dropout_group) * (dropout_counters / slot_elements<T, true>);
    return launch(queue, {divide_up(units, threads), threads}, dropout_kernel<T>, call, units);
  });
}

pc_status dropout_backward(pc_queue& queue, const dropout_call& call) { return dropout_forward(queue, call); }

}  // namespace cuda
}  // namespace polycom
