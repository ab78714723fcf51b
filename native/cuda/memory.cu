// Device memory out of the device's pool, in the order of a stream; page-locked host memory.
#include "core/queue.h"
#include "launch.cuh"
#include "memory.cuh"

namespace polycom {
namespace cuda {
namespace {

cudaError_t allocate(pc_queue& queue, int64_t bytes, void** memory) {
  if (!queue.pooled) return cudaMalloc(memory, size_t(bytes));
  return cudaMallocAsync(memory, size_t(bytes), static_cast<cudaStream_t>(queue.stream));
}

// Gives the driver what the pool keeps: another process, or cudaMalloc, or a larger piece may need it.
void empty_pool(int32_t index) {
  cudaMemPool_t pool;
  if (cudaDeviceSynchronize() != cudaSuccess) return;
  if (cudaDeviceGetDefaultMemPool(&pool, index) == cudaSuccess) cudaMemPoolTrimTo(pool, 0);
}

}  // namespace

bool has(int32_t index, cudaDeviceAttr attribute) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, attribute, index) == cudaSuccess && value != 0;
}

bool open_pool(int32_t index) {
  cudaMemPool_t pool;
  if (!has(index, cudaDevAttrMemoryPoolsSupported)) return false;
  if (cudaDeviceGetDefaultMemPool(&pool, index) != cudaSuccess) return false;
  uint64_t keep = UINT64_MAX;
  return cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep) == cudaSuccess;
}

pc_status memory_allocate(pc_queue& queue, int64_t bytes, void** memory) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("memory_allocate")) return status;
  cudaError_t error = allocate(queue, bytes, memory);
  if (error == cudaErrorMemoryAllocation && queue.pooled) {
    empty_pool(queue.index);
    error = allocate(queue, bytes, memory);
  }
  return check(error, "memory_allocate");
}

pc_status memory_allocate_host(pc_queue& queue, int64_t bytes, void** memory) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("memory_allocate_host")) return status;
  return check(cudaHostAlloc(memory, size_t(bytes), cudaHostAllocPortable), "memory_allocate_host");
}

pc_status memory_free(pc_queue& queue, void* memory) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("memory_free")) return status;
  if (!queue.pooled) return check(cudaFree(memory), "memory_free");
  return check(cudaFreeAsync(memory, static_cast<cudaStream_t>(queue.stream)), "memory_free");
}

pc_status memory_free_host(pc_queue& queue, void* memory) {
  const pc_status status = queue_synchronize(&queue);
  const pc_status freed = check(cudaFreeHost(memory), "memory_free");
  return status != PC_OK ? status : freed;
}

}  // namespace cuda
}  // namespace polycom
