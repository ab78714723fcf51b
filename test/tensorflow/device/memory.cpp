// The memory of the test's GPU, and the copies, which it counts.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "device.h"

namespace test_device {
namespace {

std::atomic<int64_t> copies_to_device, copies_to_host;
std::atomic<int> copy_milliseconds, op_milliseconds;

void allocate(const SP_Device*, uint64_t size, int64_t, SP_DeviceMemoryBase* memory) {
  memory->struct_size = SP_DEVICE_MEMORY_BASE_STRUCT_SIZE;
  memory->size = cudaMalloc(&memory->opaque, size) == cudaSuccess ? size : 0;
  if (memory->size == 0) memory->opaque = nullptr;
}

void deallocate(const SP_Device*, SP_DeviceMemoryBase* memory) {
  cudaFree(memory->opaque);
  memory->opaque = nullptr;
  memory->size = 0;
}

void* allocate_host(const SP_Device*, uint64_t size) {
  void* memory = nullptr;
  return cudaHostAlloc(&memory, size, cudaHostAllocDefault) == cudaSuccess ? memory : nullptr;
}

void deallocate_host(const SP_Device*, void* memory) { cudaFreeHost(memory); }

TF_Bool allocator_stats(const SP_Device*, SP_AllocatorStats*) { return false; }

TF_Bool memory_usage(const SP_Device*, int64_t* free, int64_t* total) {
  size_t left = 0, all = 0;
  if (cudaMemGetInfo(&left, &all) != cudaSuccess) return false;
  *free = int64_t(left);
  *total = int64_t(all);
  return true;
}

void CUDART_CB wait_a_while(void* milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(reinterpret_cast<intptr_t>(milliseconds)));
}

// Has a stream wait, as behind a long kernel.
cudaError_t hold_up(cudaStream_t stream, intptr_t milliseconds) {
  if (milliseconds == 0) return cudaSuccess;
  return cudaLaunchHostFunc(stream, wait_a_while, reinterpret_cast<void*>(milliseconds));
}

void copy(SP_Stream stream, void* to, const void* from, uint64_t size, cudaMemcpyKind kind, TF_Status* status) {
  tell(status, hold_up(stream->stream, copy_milliseconds));
  tell(status, cudaMemcpyAsync(to, from, size, kind, stream->stream));
}

void to_host(const SP_Device*, SP_Stream stream, void* to, const SP_DeviceMemoryBase* from, uint64_t size,
             TF_Status* status) {
  ++copies_to_host;
  copy(stream, to, from->opaque, size, cudaMemcpyDeviceToHost, status);
}

void to_device(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, const void* from, uint64_t size,
               TF_Status* status) {
  ++copies_to_device;
  copy(stream, to->opaque, from, size, cudaMemcpyHostToDevice, status);
}

void on_device(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from,
               uint64_t size, TF_Status* status) {
  copy(stream, to->opaque, from->opaque, size, cudaMemcpyDeviceToDevice, status);
}

void to_host_now(const SP_Device*, void* to, const SP_DeviceMemoryBase* from, uint64_t size, TF_Status* status) {
  ++copies_to_host;
  tell(status, cudaMemcpy(to, from->opaque, size, cudaMemcpyDeviceToHost));
}

void to_device_now(const SP_Device*, SP_DeviceMemoryBase* to, const void* from, uint64_t size, TF_Status* status) {
  ++copies_to_device;
  tell(status, cudaMemcpy(to->opaque, from, size, cudaMemcpyHostToDevice));
}

void on_device_now(const SP_Device*, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from, uint64_t size,
                   TF_Status* status) {
  tell(status, cudaMemcpy(to->opaque, from->opaque, size, cudaMemcpyDeviceToDevice));
}

void fill(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, uint8_t value, uint64_t size,
          TF_Status* status) {
  tell(status, cudaMemsetAsync(to->opaque, value, size, stream->stream));
}

void fill_zero(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* to, uint64_t size, TF_Status* status) {
  fill(device, stream, to, 0, size, status);
}

void fill_words(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, uint32_t word, uint64_t size,
                TF_Status* status) {
  const std::vector<uint32_t> words(size / sizeof word, word);
  tell(status, cudaMemcpyAsync(to->opaque, words.data(), size, cudaMemcpyHostToDevice, stream->stream));
  tell(status, cudaStreamSynchronize(stream->stream));
}

}  // namespace

cudaError_t hold_up_op(cudaStream_t stream) { return hold_up(stream, op_milliseconds); }

void add_memory(SP_StreamExecutor& executor) {
  executor.allocate = allocate;
  executor.deallocate = deallocate;
  executor.host_memory_allocate = allocate_host;
  executor.host_memory_deallocate = deallocate_host;
  executor.get_allocator_stats = allocator_stats;
  executor.device_memory_usage = memory_usage;
  executor.memcpy_dtoh = to_host;
  executor.memcpy_htod = to_device;
  executor.memcpy_dtod = on_device;
  executor.sync_memcpy_dtoh = to_host_now;
  executor.sync_memcpy_htod = to_device_now;
  executor.sync_memcpy_dtod = on_device_now;
  executor.mem_zero = fill_zero;
  executor.memset = fill;
  executor.memset32 = fill_words;
}

}  // namespace test_device

EXPORTED int64_t test_device_copies_to_device() { return test_device::copies_to_device; }
EXPORTED int64_t test_device_copies_to_host() { return test_device::copies_to_host; }
// Has each copy and each op from now on wait so long on its stream.
EXPORTED void test_device_slow_down(int copies, int ops) {
  test_device::copy_milliseconds = copies;
  test_device::op_milliseconds = ops;
}
