// What every launch shares: the device made current, errors as statuses, grids that fit.
#pragma once
#include <cuda_runtime.h>

#include "activations/activation.h"
#include "runtime/error.h"

namespace polycom {
namespace cuda {

inline pc_status status_of(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return PC_OUT_OF_MEMORY;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInvalidDevice:
      return PC_NO_DEVICE;
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
      return PC_UNSUPPORTED;
    default:
      return PC_DEVICE_ERROR;
  }
}

inline pc_status check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return PC_OK;
  const pc_status status = status_of(error);
  return fail(status, "%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
}

// Makes a device current for a scope. The thread's own choice, which may be TensorFlow's, comes back after.
class device_scope {
 public:
  explicit device_scope(int32_t index) {
    error_ = cudaGetDevice(&before_);
    if (error_ == cudaSuccess && before_ != index) {
      error_ = cudaSetDevice(index);
      restore_ = error_ == cudaSuccess;
    }
  }
  ~device_scope() {
    if (restore_) cudaSetDevice(before_);
  }
  device_scope(const device_scope&) = delete;
  device_scope& operator=(const device_scope&) = delete;
  pc_status status(const char* what) const { return check(error_, what); }

 private:
  cudaError_t error_;
  int before_ = 0;
  bool restore_ = false;
};

struct launch_shape {
  int64_t blocks;
  int threads;
  int64_t shared = 0;  // bytes of dynamic shared memory
  int cluster = 1;     // blocks that share it; divides `blocks`
};

// Launches on the queue's stream. Kernels step over the grid, so a grid may be cut to what CUDA takes.
template <class... Parameters, class... Arguments>
pc_status launch(const pc_queue& queue, launch_shape shape, void (*kernel)(Parameters...),
                 const Arguments&... arguments) {
  constexpr int64_t most_blocks = 0x7fffffff;
  const device_scope device(queue.index);
  if (pc_status status = device.status("launch")) return status;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(unsigned(shape.blocks < most_blocks ? shape.blocks : most_blocks));
  config.blockDim = dim3(unsigned(shape.threads));
  config.dynamicSmemBytes = size_t(shape.shared);
  config.stream = static_cast<cudaStream_t>(queue.stream);
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {unsigned(shape.cluster), 1, 1};
  config.attrs = &cluster;
  config.numAttrs = shape.cluster > 1 ? 1 : 0;
  return check(cudaLaunchKernelEx(&config, kernel, arguments...), "launch");
}

// The parameters' gradients of no elements: zeros.
inline pc_status zero_gradients(const pc_queue& queue, const activation_call& call) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("memset")) return status;
  const auto stream = static_cast<cudaStream_t>(queue.stream);
  cudaError_t error = cudaSuccess;
  for (int i = 0; i < max_parameters && error == cudaSuccess; ++i) {
    if (call.sizes[i] == 0) break;
    error = cudaMemsetAsync(call.gradients[i], 0, size_t(call.sizes[i]) * sizeof(float), stream);
  }
  return check(error, "memset");
}

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace cuda
}  // namespace polycom
