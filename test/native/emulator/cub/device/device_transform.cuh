// CUB's DeviceTransform for the emulated CUDA: one element after another, done when it returns.
#pragma once
#include <cuda_runtime.h>

#include <cuda/std/tuple>

namespace cub {

struct DeviceTransform {
  template <class... Inputs, class Output, class Formula>
  static cudaError_t Transform(cuda::std::tuple<Inputs...> inputs, Output output, int64_t count,
                               Formula formula, cudaStream_t) {
    for (int64_t i = 0; i < count; ++i)
      output[i] = std::apply([&](auto... input) { return formula(input[i]...); }, inputs);
    return cudaSuccess;
  }
};

}  // namespace cub
