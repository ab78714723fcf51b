// Device memory out of a pool of our own, in the order of a stream; page-locked host memory.
#include <mutex>
#include <unordered_map>

#include "launch.cuh"
#include "memory.cuh"
#include "runtime/queue.h"

namespace polycom {
namespace cuda {
namespace {

struct own_pool {
  cudaMemPool_t pool;
  int64_t queues;
};

std::mutex guard;
// By device. Never destroyed: queues may end until the process is gone.
std::unordered_map<int32_t, own_pool>& pools = *new std::unordered_map<int32_t, own_pool>;

cudaMemPool_t make_pool(int32_t index) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = index;
  cudaMemPool_t pool = nullptr;
  if (cudaMemPoolCreate(&pool, &properties) != cudaSuccess) return nullptr;
  uint64_t keep = UINT64_MAX;
  cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep);
  return pool;
}

cudaError_t allocate(pc_queue& queue, int64_t bytes, void** memory) {
  if (queue.pool == nullptr) return cudaMalloc(memory, size_t(bytes));
  return cudaMallocFromPoolAsync(memory, size_t(bytes), static_cast<cudaMemPool_t>(queue.pool),
                                 static_cast<cudaStream_t>(queue.stream));
}

// Gives the driver what the pool keeps: another process, or cudaMalloc, or a larger piece may need it.
void empty_pool(const pc_queue& queue) {
  if (cudaDeviceSynchronize() == cudaSuccess) cudaMemPoolTrimTo(static_cast<cudaMemPool_t>(queue.pool), 0);
}

}  // namespace

bool has(int32_t index, cudaDeviceAttr attribute) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, attribute, index) == cudaSuccess && value != 0;
}

cudaMemPool_t open_pool(int32_t index) {
  if (!has(index, cudaDevAttrMemoryPoolsSupported)) return nullptr;
  const std::lock_guard<std::mutex> lock(guard);
  own_pool& own = pools[index];
  if (own.pool == nullptr) own.pool = make_pool(index);
  if (own.pool != nullptr) ++own.queues;
  return own.pool;
}

void close_pool(int32_t index) {
  const std::lock_guard<std::mutex> lock(guard);
  own_pool& own = pools[index];
  if (--own.queues == 0) cudaMemPoolTrimTo(own.pool, 0);
}

pc_status memory_allocate(pc_queue& queue, int64_t bytes, void** memory) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("memory_allocate")) return status;
  cudaError_t error = allocate(queue, bytes, memory);
  if (error == cudaErrorMemoryAllocation && queue.pool != nullptr) {
    empty_pool(queue);
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
  if (queue.pool == nullptr) return check(cudaFree(memory), "memory_free");
  return check(cudaFreeAsync(memory, static_cast<cudaStream_t>(queue.stream)), "memory_free");
}

pc_status memory_free_host(pc_queue& queue, void* memory) {
  const pc_status status = queue_synchronize(&queue);
  const pc_status freed = check(cudaFreeHost(memory), "memory_free");
  return status != PC_OK ? status : freed;
}

}  // namespace cuda
}  // namespace polycom
