// A CUDA that runs on the CPU, one thread of a block after another, so that the CUDA kernels are tested
// where there is no GPU: their indexing, their barriers, their reductions. It stands in for the toolkit's header
// of this name when the library is built with POLYCOM_CUDA=EMULATED. What is behind it is libemulated_cuda.so: a
// process has one CUDA, whoever uses it.
//
// Device memory is host memory, and work is done when a call returns. With EMULATED_APART=1 the device is a process of
// its own (apart.cpp): a host that reads device memory, and a kernel that reads the host's, end there; and a stream has
// a thread that takes its work later, in no order with another's but that of events. What that cannot show: kernels
// that run at the same time (one runs at a time), and the order of memory between the threads of one.
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

#include <tuple>
#include <type_traits>

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
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotSupported = 801
};
const char* cudaGetErrorName(cudaError_t error);
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }

// EMULATED_FAULT=cudaErrorInsufficientDriver makes a driver that is older than the runtime,
// EMULATED_FAULT=cudaErrorNoKernelImageForDevice a GPU that no kernel was compiled for.
cudaError_t cudaGetDeviceCount(int* count);
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaDeviceSynchronize();
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrPageableMemoryAccess = 88,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrPageableMemoryAccessUsesHostPageTables = 100,
  cudaDevAttrMemoryPoolsSupported = 115
};
// A GPU of EMULATED_ARCHITECTURE, 90 by default. EMULATED_NO_POOLS=1 makes one without memory pools,
// EMULATED_OWN_MEMORY=1 one that says that it cannot reach the host's,
// EMULATED_FAULTS=1 one that reaches it by faulting pages in, without the host's page tables.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int);
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor, multiProcessorCount, l2CacheSize;
};
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* about, int device);

// --- streams and events. A stream's callbacks come from other threads, after EMULATED_CALLBACK_MS milliseconds (0 by
// default), and are waited for. With EMULATED_FAILURE=1 they are told of one. ---

using cudaStream_t = struct emulated_stream*;
constexpr unsigned cudaStreamNonBlocking = 1;
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
#define CUDART_CB
using cudaStreamCallback_t = void (*)(cudaStream_t stream, cudaError_t status, void* data);
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data, unsigned);
using cudaHostFn_t = void (*)(void* data);
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data);

// With EMULATED_CAPTURING=1 every stream says that it is being captured; what is put on it is done all the same.
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone = 0, cudaStreamCaptureStatusActive = 1 };
inline cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = getenv("EMULATED_CAPTURING") == nullptr ? cudaStreamCaptureStatusNone : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

using cudaEvent_t = struct emulated_event*;
constexpr unsigned cudaEventDefault = 0, cudaEventDisableTiming = 2;
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
inline cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);

// --- memory ---

cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
using cudaMemPool_t = struct emulated_pool*;
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
inline cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }
enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
struct cudaMemPoolProps {
  cudaMemAllocationType allocType;
  struct {
    cudaMemLocationType type;
    int id;
  } location;
};
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties);
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t stream);
// From a pool that was made: the default one, null, is not for the library.
cudaError_t cudaMallocFromPoolAsync(void** memory, size_t bytes, cudaMemPool_t pool, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream);
constexpr unsigned cudaHostAllocDefault = 0, cudaHostAllocPortable = 1;
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
};
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemset(void* to, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream);

// --- launches ---

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
struct cudaFuncAttributes {
  int binaryVersion;
};
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel);
template <class... Parameters>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Parameters...)) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}
inline cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int, size_t) {
  return *blocks = 2, cudaSuccess;
}
inline cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void*, const cudaLaunchConfig_t*) {
  return *clusters = 2, cudaSuccess;
}

// Runs `thread(call)` as every thread of every block of the grid. `call` is plain bytes, and may be copied.
cudaError_t emulated_launch(const cudaLaunchConfig_t& config, void (*thread)(const void* call), const void* call,
                            size_t bytes);

// A kernel with its arguments.
template <class... Parameters>
struct emulated_call {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...), "a kernel's arguments are plain bytes");
  void (*kernel)(Parameters...);
  std::tuple<Parameters...> arguments;

  static void run(const void* bytes) {
    const emulated_call& call = *static_cast<const emulated_call*>(bytes);
    std::apply(call.kernel, call.arguments);
  }
};

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const emulated_call<Parameters...> call{kernel, {Parameters(arguments)...}};
  return emulated_launch(*config, call.run, &call, sizeof call);
}

// --- what a kernel calls ---

constexpr int warpSize = 32;

void __syncthreads();
// The same; whether any thread of the block says so.
int __syncthreads_or(int says);
// This thread's block's dynamic shared memory, which holds anything at first.
void* emulated_dynamic_shared();
void emulated_warp_barrier();
// The cell through which this thread's warp exchanges, for the lane given.
uint64_t& emulated_exchange(unsigned lane);

// Tensor cores: see mma.cpp. What they are called is as in PTX.
void emulated_mma(const char* shape_and_types, float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]);
void emulated_load_matrices(const char* form, unsigned (&out)[4], const void* row);

inline void __syncwarp(unsigned = 0xffffffffu) { emulated_warp_barrier(); }
inline void __threadfence() {}

template <class V>
V __shfl_sync(unsigned, V value, int from) {
  static_assert(sizeof(V) <= sizeof(uint64_t), "a shuffle moves at most 8 bytes");
  memcpy(&emulated_exchange(threadIdx.x % warpSize), &value, sizeof value);
  emulated_warp_barrier();
  V other;
  memcpy(&other, &emulated_exchange(unsigned(from) % warpSize), sizeof other);
  emulated_warp_barrier();
  return other;
}
template <class V>
V __shfl_xor_sync(unsigned mask, V value, int bits) {
  return __shfl_sync(mask, value, int(threadIdx.x % warpSize) ^ bits);
}

inline int __any_sync(unsigned mask, int of_thread) {
  for (int distance = warpSize / 2; distance > 0; distance /= 2)
    of_thread |= __shfl_xor_sync(mask, of_thread, distance);
  return of_thread;
}

inline float __uint_as_float(unsigned word) {
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

inline unsigned __float_as_uint(float value) {
  unsigned word;
  memcpy(&word, &value, sizeof word);
  return word;
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
V __ldcs(const V* address) {
  return *address;
}
template <class V>
void __stcs(V* address, V value) {
  *address = value;
}
template <class V>
void __stwb(V* address, V value) {
  *address = value;
}

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using wide = unsigned __int128;
  return static_cast<unsigned long long>(static_cast<wide>(a) * b >> 64);
}
