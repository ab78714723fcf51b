// Softmax cross-entropy on CUDA: native/ops/crossentropy/cpu.cpp has the formulas. A block takes a row, and reads it once
// each pass: forward, each thread keeps the largest logit that it has seen, and its sum of exponentials below that
// (Milakov and Gimelshein 2018, arXiv 1805.02867). A label out of range, which the CPU refuses, makes its row NaN.
#include <math.h>

#include "call.h"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {
namespace {

// Sum over a thread's logits of exp(x - most): of few in float, and of those before in double.
struct running_sum {
  float most = -INFINITY, part = 0;
  double sum = 0;

  // exp(x - most), where most may be -infinity: then so is x.
  static __device__ __forceinline__ float share(float x, float most) {
    return expf(x - (most == -INFINITY ? 0.0f : most));
  }

  // Those of a slot that lie before `count`.
  template <class T, int E>
  __device__ __forceinline__ void add(const packed<T, E>& slot, int64_t count) {
    float largest = most;
#pragma unroll
    for (int i = 0; i < E; ++i) largest = i < count && slot[i] > largest ? slot[i] : largest;
    if (largest > most) {
      const float shrunk = share(most, largest);
      part *= shrunk;
      sum *= double(shrunk);
      most = largest;
    }
#pragma unroll
    for (int i = 0; i < E; ++i) part += i < count ? share(slot[i], most) : 0.0f;
  }
  __device__ __forceinline__ void carry() {
    sum += double(part);
    part = 0;
  }
};

template <class T>
__global__ void __launch_bounds__(block_row_threads, 4)
    crossentropy_forward_kernel(const crossentropy_call call) {
  constexpr int E = slot_elements<T, true>;
  __shared__ group_of_row::shared room;
  group_of_row group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const slotted_row<const T> x(static_cast<const T*>(call.logits) + r * call.cols, call.cols);
    running_sum mine;
    const int64_t step = int64_t(group.size()) * E;
    for (int64_t from = int64_t(group.rank()) * E; from < call.cols; from += step * slots_ahead) {
      packed<T, E> held[slots_ahead];
#pragma unroll
      for (int s = 0; s < slots_ahead; ++s) held[s] = x.load(from + s * step);
#pragma unroll
      for (int s = 0; s < slots_ahead; ++s) mine.add(held[s], call.cols - from - s * step);
      mine.carry();
    }
    const float most = group.largest(mine.most);
    double sum[1] = {mine.sum * double(running_sum::share(mine.most, most))};
    group.sum(sum);
    if (threadIdx.x != 0) continue;
    const double log_sum = log(sum[0]);
    const int32_t label = call.labels[r];
    call.lse_out[2 * r] = most;
    call.lse_out[2 * r + 1] = float(log_sum);
    call.loss[r] = label == -1 ? 0.0f
                   : label < 0 || label >= call.cols
                       ? NAN
                       : float(double(most) - double(float(x[label])) + log_sum);
  }
}

template <class T>
__global__ void __launch_bounds__(block_row_threads, 4)
    crossentropy_backward_kernel(const crossentropy_call call) {
  constexpr int E = slot_elements<T, true>;
  __shared__ group_of_row::shared room;
  const group_of_row group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const slotted_row<const T> x(static_cast<const T*>(call.logits) + r * call.cols, call.cols);
    const slotted_row<T> dx(static_cast<T*>(call.dlogits) + r * call.cols, call.cols);
    const float most = call.lse[2 * r], log_sum = call.lse[2 * r + 1], dloss = call.dloss[r];
    const int32_t label = call.labels[r];
    const bool outside = label < -1 || label >= call.cols;
    for_each_slot<E>(group, call.cols, [&](int64_t at) {
      float of[E] = {};
      if (label != -1) {
        const auto slot = x.load(at);
#pragma unroll
        for (int i = 0; i < E; ++i) {
          const float exponent = (slot[i] - most) - log_sum;
          of[i] = outside ? NAN : (at + i == label ? expm1f(exponent) : expf(exponent)) * dloss;
        }
      }
      dx.store(at, packed<T, E>::of(of));
    });
  }
}

}  // namespace

pc_status crossentropy_forward(pc_queue& queue, const crossentropy_call& call) {
  if (call.rows == 0) return PC_OK;
  return with_storage(call.dtype, [&](auto storage) {
    using T = typename decltype(storage)::type;
    const launch_shape shape = a_block_a_row(call.rows, call.cols, sizeof(T));
    return launch(queue, shape, crossentropy_forward_kernel<T>, call);
  });
}

pc_status crossentropy_backward(pc_queue& queue, const crossentropy_call& call) {
  if (call.rows == 0) return PC_OK;
  return with_storage(call.dtype, [&](auto storage) {
    using T = typename decltype(storage)::type;
    const launch_shape shape = a_block_a_row(call.rows, call.cols, sizeof(T));
    return launch(queue, shape, crossentropy_backward_kernel<T>, call);
  });
}

}  // namespace cuda
}  // namespace polycom
