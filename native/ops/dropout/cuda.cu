// Dropout on CUDA: native/ops/dropout/cpu.cpp says what it is.
// A thread takes a counter, and so four elements.
#include "call.h"
#include "math/dropout.h"
#include "math/portable.h"
#include "runtime/cuda/launch.cuh"

namespace polycom {
namespace cuda {
namespace {

// Of f32 alone, so far.
PC_MATH const float* floats(const void* data) { return static_cast<const float*>(data); }
PC_MATH float* floats(void* data) { return static_cast<float*>(data); }

constexpr int threads = 256;

__global__ void __launch_bounds__(threads, 1) dropout_kernel(const dropout_call call, int64_t counters) {
  const uint32_t key[2] = {uint32_t(call.seed[0]), uint32_t(call.seed[1])};
  for (int64_t counter = int64_t(blockIdx.x) * threads + threadIdx.x; counter < counters;
       counter += int64_t(gridDim.x) * threads) {
    const auto random = philox(uint32_t(counter), uint32_t(uint64_t(counter) >> 32), key);
    const int64_t first = counter / dropout_counters * dropout_group + counter % dropout_counters;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int64_t at = first + k * dropout_counters;
      if (at < call.count)
        floats(call.y)[at] = floats(call.x)[at] * (random.word[k] >= call.threshold ? call.scale : 0.0f);
    }
  }
}

}  // namespace

pc_status dropout_forward(pc_queue& queue, const dropout_call& call) {
  if (call.count == 0) return PC_OK;
  const int64_t counters = divide_up(call.count, dropout_group) * dropout_counters;
  return launch(queue, {divide_up(counters, threads), threads}, dropout_kernel, call, counters);
}

pc_status dropout_backward(pc_queue& queue, const dropout_call& call) { return dropout_forward(queue, call); }

}  // namespace cuda
}  // namespace polycom
