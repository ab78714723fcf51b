// Softmax cross-entropy on CUDA: native/ops/crossentropy/cpu.cpp has the formulas. A block takes a row. A
// label out of range, which the CPU refuses, makes its row NaN.
#include <math.h>

#include "call.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/reduce.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int row_threads = 256;

using threads_of_row = row_group<false, 1>;

__global__ void __launch_bounds__(row_threads, 1) crossentropy_forward_kernel(const crossentropy_call call) {
  __shared__ threads_of_row::shared room;
  threads_of_row group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const float* x = call.logits + r * call.cols;
    float most = -INFINITY;
    for (int64_t i = threadIdx.x; i < call.cols; i += row_threads) most = x[i] > most ? x[i] : most;
    most = group.largest(most);
    double sum[1] = {};
    for (int64_t i = threadIdx.x; i < call.cols; i += row_threads) sum[0] += double(expf(x[i] - most));
    group.sum(sum);
    if (threadIdx.x != 0) continue;
    const double log_sum = log(sum[0]);
    const int32_t label = call.labels[r];
    call.lse_out[2 * r] = most;
    call.lse_out[2 * r + 1] = float(log_sum);
    call.loss[r] = label == -1                       ? 0.0f
                   : label < 0 || label >= call.cols ? NAN
                                                     : float(double(most) - double(x[label]) + log_sum);
  }
}

__global__ void __launch_bounds__(row_threads, 1) crossentropy_backward_kernel(const crossentropy_call call) {
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const float* x = call.logits + r * call.cols;
    float* dx = call.dlogits + r * call.cols;
    const float most = call.lse[2 * r], log_sum = call.lse[2 * r + 1], dloss = call.dloss[r];
    const int32_t label = call.labels[r];
    const bool outside = label < -1 || label >= call.cols;
    for (int64_t i = threadIdx.x; i < call.cols; i += row_threads) {
      const float exponent = (x[i] - most) - log_sum;
      dx[i] = label == -1  ? 0.0f
              : outside    ? NAN
              : i == label ? expm1f(exponent) * dloss
                           : expf(exponent) * dloss;
    }
  }
}

}  // namespace

pc_status crossentropy_forward(pc_queue& queue, const crossentropy_call& call) {
  if (call.rows == 0) return PC_OK;
  return launch(queue, {call.rows, row_threads}, crossentropy_forward_kernel, call);
}

pc_status crossentropy_backward(pc_queue& queue, const crossentropy_call& call) {
  if (call.rows == 0) return PC_OK;
  return launch(queue, {call.rows, row_threads}, crossentropy_backward_kernel, call);
}

}  // namespace cuda
}  // namespace polycom
