// Softmax cross-entropy on CUDA: native/ops/crossentropy/cpu.cpp has the formulas. A block takes a row, and reads it once
// each pass: forward, each thread keeps the largest logit that it has seen, and its sum of exponentials below that
// (Milakov and Gimelshein 2018, arXiv 1805.02867). A label out of range, which the CPU refuses, makes its row NaN.
#include <math.h>

#include "call.h"
#include "math/portable.h"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {
namespace {

// Of f32 alone, so far.
PC_MATH const float* floats(const void* data) { return static_cast<const float*>(data); }
PC_MATH float* floats(void* data) { return static_cast<float*>(data); }

using group_of_row = row_group<false, 1>;
using row_in = slotted_row<const float>;
using row_out = slotted_row<float>;
constexpr int E = row_in::E;

// Sum over a thread's logits of exp(x - most).
struct running_sum {
  float most = -INFINITY;
  double sum = 0;

  // exp(x - most), where most may be -infinity: then so is x.
  static __device__ __forceinline__ float share(float x, float most) {
    return expf(x - (most == -INFINITY ? 0.0f : most));
  }

  // Those of a slot that lie before `count`.
  __device__ __forceinline__ void add(const packed<float, E>& slot, int64_t count) {
    float largest = most;
#pragma unroll
    for (int i = 0; i < E; ++i) largest = i < count && slot[i] > largest ? slot[i] : largest;
    if (largest > most) {
      sum *= double(share(most, largest));
      most = largest;
    }
    float part = 0;
#pragma unroll
    for (int i = 0; i < E; ++i) part += i < count ? share(slot[i], most) : 0.0f;
    sum += double(part);
  }
};

__global__ void __launch_bounds__(block_row_threads, 4)
    crossentropy_forward_kernel(const crossentropy_call call) {
  __shared__ group_of_row::shared room;
  group_of_row group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const row_in x(floats(call.logits) + r * call.cols, call.cols);
    running_sum mine;
#pragma unroll 2
    for (int64_t at = int64_t(group.rank()) * E; at < call.cols; at += int64_t(group.size()) * E)
      mine.add(x.load(at), call.cols - at);
    const float most = group.largest(mine.most);
    double sum[1] = {mine.sum * double(running_sum::share(mine.most, most))};
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

__global__ void __launch_bounds__(block_row_threads, 4)
    crossentropy_backward_kernel(const crossentropy_call call) {
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const row_in x(floats(call.logits) + r * call.cols, call.cols);
    const row_out dx(floats(call.dlogits) + r * call.cols, call.cols);
    const float most = call.lse[2 * r], log_sum = call.lse[2 * r + 1], dloss = call.dloss[r];
    const int32_t label = call.labels[r];
    const bool outside = label < -1 || label >= call.cols;
    for (int64_t at = int64_t(threadIdx.x) * E; at < call.cols; at += int64_t(blockDim.x) * E) {
      float of[E] = {};
      if (label != -1) {
        const auto slot = x.load(at);
#pragma unroll
        for (int i = 0; i < E; ++i) {
          const float exponent = (slot[i] - most) - log_sum;
          of[i] = outside ? NAN : (at + i == label ? expm1f(exponent) : expf(exponent)) * dloss;
        }
      }
      dx.store(at, packed<float, E>::of(of));
    }
  }
}

}  // namespace

pc_status crossentropy_forward(pc_queue& queue, const crossentropy_call& call) {
  if (call.rows == 0) return PC_OK;
  return launch(queue, a_block_a_row(call.rows, call.cols, sizeof(float)), crossentropy_forward_kernel, call);
}

pc_status crossentropy_backward(pc_queue& queue, const crossentropy_call& call) {
  if (call.rows == 0) return PC_OK;
  return launch(queue, a_block_a_row(call.rows, call.cols, sizeof(float)), crossentropy_backward_kernel,
                call);
}

}  // namespace cuda
}  // namespace polycom
