// The memory of the emulated CUDA: see cuda_runtime.h.
#include "device.h"

namespace {

bool has_pools() { return getenv("EMULATED_NO_POOLS") == nullptr; }

void* allocate_here(size_t bytes) { return aligned_alloc(256, (bytes + 255) / 256 * 256); }

cudaError_t given(void** memory, void* made) {
  *memory = made;
  return made == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t free_now(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (is_apart()) return free_apart(memory) ? cudaSuccess : cudaErrorInvalidValue;
  return free(memory), cudaSuccess;
}

}  // namespace

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return given(memory, is_apart() ? allocate_apart(bytes) : allocate_here(bytes));
}

cudaError_t cudaFree(void* memory) {
  wait_for_streams();
  return free_now(memory);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = *total = size_t(4) << 30;
  return cudaSuccess;
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
  static char made;  // whose address is no null pointer, as the default pool's is here
  *pool = reinterpret_cast<cudaMemPool_t>(&made);
  return has_pools() ? cudaSuccess : cudaErrorNotSupported;
}

cudaError_t cudaMallocFromPoolAsync(void** memory, size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
  return pool == nullptr ? cudaErrorInvalidValue : cudaMallocAsync(memory, bytes, stream);
}

cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  return has_pools() ? cudaMalloc(memory, bytes) : cudaErrorNotSupported;
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  if (!has_pools()) return cudaErrorNotSupported;
  return enqueue(stream, [=] { free_now(memory); });
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return given(memory, is_apart() ? allocate_pinned(bytes) : allocate_here(bytes));
}

cudaError_t cudaFreeHost(void* memory) { return cudaFree(memory); }

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  memcpy(reachable(to), reachable(from), bytes);
  return device_failure();
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, [=] { memcpy(reachable(to), reachable(from), bytes); });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  memset(reachable(to), value, bytes);
  return device_failure();
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] { memset(reachable(to), value, bytes); });
}
