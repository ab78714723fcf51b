// A CUDA that runs on the CPU, one thread of a block after another, so that native/cuda's kernels are tested
// where there is no GPU: their indexing, their barriers, their reductions. It stands in for the toolkit's header
// of this name when the library is built with POLYCOM_CUDA=EMULATED. Device memory is host memory.
//
// Each CUDA thread is a fiber: it runs until it waits (a barrier, a shuffle), and the next one goes on. The order
// alternates from launch to launch, so that a missing barrier shows. The blocks of a cluster run together; they have
// dynamic shared memory of their own each, but share what is declared __shared__.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <functional>

#define __host__
#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static
#define __grid_constant__

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

// --- the runtime's functions ---

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotSupported = 801
};
enum cudaMemcpyKind { cudaMemcpyDefault = 4 };
using cudaStream_t = struct emulated_stream*;
constexpr unsigned cudaStreamNonBlocking = 1;
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrPageableMemoryAccess = 88,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrMemoryPoolsSupported = 115
};

inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }
inline const char* cudaGetErrorName(cudaError_t) { return "emulated"; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
// Work is done when a call returns, save a stream's callbacks: those come from threads of their own, after
// EMULATED_CALLBACK_MS milliseconds (0 by default), and are waited for. With EMULATED_FAILURE=1 they are told of one.
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
#define CUDART_CB
using cudaStreamCallback_t = void (*)(cudaStream_t stream, cudaError_t status, void* data);
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data, unsigned);
inline cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
inline cudaError_t cudaFree(void* memory) { return free(memory), cudaSuccess; }

// EMULATED_NO_POOLS=1 makes a device without memory pools, EMULATED_OWN_MEMORY=1 one that says that it cannot reach
// the host's.
inline bool emulated_pools() { return getenv("EMULATED_NO_POOLS") == nullptr; }
// A GPU of EMULATED_ARCHITECTURE, 90 by default.
inline int emulated_architecture() {
  const char* asked = getenv("EMULATED_ARCHITECTURE");
  return asked == nullptr ? 90 : atoi(asked);
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int);
using cudaMemPool_t = struct emulated_pool*;
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
inline cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  return *pool = nullptr, emulated_pools() ? cudaSuccess : cudaErrorNotSupported;
}
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
inline cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }
inline cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  return emulated_pools() ? cudaMalloc(memory, bytes) : cudaErrorNotSupported;
}
inline cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  return emulated_pools() ? cudaFree(memory) : cudaErrorNotSupported;
}
constexpr unsigned cudaHostAllocPortable = 1;
inline cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) { return cudaMalloc(memory, bytes); }
inline cudaError_t cudaFreeHost(void* memory) { return cudaFree(memory); }
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  return memset(to, value, bytes), cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  return memcpy(to, from, bytes), cudaSuccess;
}

enum cudaLaunchAttributeID { cudaLaunchAttributeClusterDimension = 4 };
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  struct {
    struct {
      unsigned x, y, z;
    } clusterDim;
  } val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
constexpr int cudaSharedmemCarveoutMaxShared = 100;
inline cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int, size_t) {
  return *blocks = 2, cudaSuccess;
}
inline cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void*, const cudaLaunchConfig_t*) {
  return *clusters = 2, cudaSuccess;
}

// Runs `thread` as every thread of every block of the grid.
cudaError_t emulated_launch(const cudaLaunchConfig_t& config, const std::function<void()>& thread);

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  return emulated_launch(*config, [&] { kernel(Parameters(arguments)...); });
}

// --- what a kernel calls ---

constexpr int warpSize = 32;

void __syncthreads();
// This thread's block's dynamic shared memory, which holds anything at first.
void* emulated_dynamic_shared();
void emulated_warp_barrier();
// The cell through which this thread's warp exchanges, for the lane given.
uint64_t& emulated_exchange(unsigned lane);

inline void __syncwarp(unsigned = 0xffffffffu) { emulated_warp_barrier(); }
inline void __threadfence() {}

template <class V>
V __shfl_xor_sync(unsigned, V value, int mask) {
  static_assert(sizeof(V) <= sizeof(uint64_t), "a shuffle moves at most 8 bytes");
  const unsigned lane = threadIdx.x % warpSize;
  memcpy(&emulated_exchange(lane), &value, sizeof value);
  emulated_warp_barrier();
  V other;
  memcpy(&other, &emulated_exchange(lane ^ unsigned(mask)), sizeof other);
  emulated_warp_barrier();
  return other;
}

inline unsigned atomicInc(unsigned* address, unsigned most) {
  const unsigned before = *address;
  *address = before >= most ? 0 : before + 1;
  return before;
}

template <class V>
V __ldcg(const V* address) {
  return *address;
}
template <class V>
void __stwb(V* address, V value) {
  *address = value;
}

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using wide = unsigned __int128;
  return static_cast<unsigned long long>(static_cast<wide>(a) * b >> 64);
}
