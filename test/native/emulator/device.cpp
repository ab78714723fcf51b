// The device of the emulated CUDA: what it is, and what may be wrong with it. See cuda_runtime.h.
#include "device.h"

#include "cuda_runtime.h"

namespace {

constexpr int multiprocessors = 3;

bool is_set(const char* name) { return getenv(name) != nullptr; }

// The error, if it is the one that the environment asks for.
cudaError_t asked(cudaError_t error) {
  const char* fault = getenv("EMULATED_FAULT");
  return fault != nullptr && strcmp(fault, cudaGetErrorName(error)) == 0 ? error : cudaSuccess;
}

int architecture() {
  const char* asked = getenv("EMULATED_ARCHITECTURE");
  return asked == nullptr ? 90 : atoi(asked);
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
#define NAME(error) \
  case error:       \
    return #error;
  switch (error) {
    NAME(cudaSuccess)
    NAME(cudaErrorInvalidValue)
    NAME(cudaErrorMemoryAllocation)
    NAME(cudaErrorInvalidConfiguration)
    NAME(cudaErrorInsufficientDriver)
    NAME(cudaErrorInvalidDeviceFunction)
    NAME(cudaErrorNoDevice)
    NAME(cudaErrorInvalidDevice)
    NAME(cudaErrorNoKernelImageForDevice)
    NAME(cudaErrorInvalidResourceHandle)
    NAME(cudaErrorNotReady)
    NAME(cudaErrorIllegalAddress)
    NAME(cudaErrorLaunchFailure)
    NAME(cudaErrorNotSupported)
  }
#undef NAME
  return "unrecognized error code";
}

cudaError_t cudaGetDeviceCount(int* count) {
  const cudaError_t error = asked(cudaErrorInsufficientDriver);
  *count = error == cudaSuccess ? 1 : 0;
  return error;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {architecture()};
  return asked(cudaErrorNoKernelImageForDevice);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = multiprocessors;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = architecture() / 10;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = architecture() % 10;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = int(most_shared);
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = !is_set("EMULATED_NO_POOLS");
      break;
    case cudaDevAttrPageableMemoryAccess:
      *value = !is_set("EMULATED_OWN_MEMORY");
      break;
    case cudaDevAttrPageableMemoryAccessUsesHostPageTables:
      *value = !is_set("EMULATED_OWN_MEMORY") && !is_set("EMULATED_FAULTS");
      break;
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* about, int) {
  *about = {"emulated on the CPU", size_t(1) << 30, architecture() / 10, architecture() % 10, multiprocessors, 1 << 16};
  return cudaSuccess;
}
