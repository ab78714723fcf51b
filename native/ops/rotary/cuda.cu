// Rotary position embedding on CUDA: native/ops/rotary/cpu.cpp has the formulas. A thread takes a pair. A
// position outside the table, which the CPU refuses, gives NaN.
#include <math.h>

#include "call.h"
#include "runtime/cuda/launch.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;

template <bool Back>
__global__ void __launch_bounds__(threads, 1) rotary_kernel(const rotary_call call, int64_t pairs) {
  const int64_t half = call.width / 2;
  for (int64_t pair = int64_t(blockIdx.x) * threads + threadIdx.x; pair < pairs;
       pair += int64_t(gridDim.x) * threads) {
    const int64_t head = pair / half, i = pair % half, at = head * call.width + i;
    const int64_t token = head / call.heads;
    const int64_t position = call.start[token / call.time] + token % call.time;
    float cos = NAN, sin = NAN;
    if (position >= 0 && position < call.positions) {
      cos = call.table[position * call.width + i];
      sin = call.table[position * call.width + half + i];
    }
    if (Back) sin = -sin;
    const float a = call.x[at], b = call.x[at + half];
    call.y[at] = a * cos - b * sin;
    call.y[at + half] = b * cos + a * sin;
  }
}

template <bool Back>
pc_status rotate(pc_queue& queue, const rotary_call& call) {
  const int64_t pairs = call.batch * call.time * call.heads * (call.width / 2);
  if (pairs == 0) return PC_OK;
  return launch(queue, {divide_up(pairs, threads), threads}, rotary_kernel<Back>, call, pairs);
}

}  // namespace

pc_status rotary_forward(pc_queue& queue, const rotary_call& call) { return rotate<false>(queue, call); }
pc_status rotary_backward(pc_queue& queue, const rotary_call& call) { return rotate<true>(queue, call); }

}  // namespace cuda
}  // namespace polycom
