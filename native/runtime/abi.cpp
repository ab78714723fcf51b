// The part of the ABI that belongs to no op: versions, texts, devices, queues.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <new>

#include "activations/activation.h"
#include "error.h"
#include "kernels.h"
#include "polycom.h"
#include "queue.h"
#include "threads.h"

namespace polycom {
namespace {

thread_local char last_error[1024];

int64_t copy_text(const char* text, char* buffer, int64_t capacity) {
  const int64_t length = int64_t(strlen(text));
  if (buffer == nullptr || capacity <= 0) return length;
  const int64_t kept = length < capacity ? length : capacity - 1;
  memcpy(buffer, text, size_t(kept));
  buffer[kept] = '\0';
  return length;
}

pc_status check_cpu_index(int32_t index) {
  if (index == 0) return PC_OK;
  return fail(PC_NO_DEVICE, "CPU %d does not exist; the only CPU device is 0", index);
}

pc_status unknown_device(const char* what, pc_device device) {
  return fail(PC_INVALID_ARGUMENT, "%s: device %d; expected 0 (CPU) or 1 (CUDA)", what, device);
}

}  // namespace

pc_status fail(pc_status status, const char* format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(last_error, sizeof last_error, format, values);
  va_end(values);
  return status;
}

void queue_release(pc_queue* queue) {
  if (queue->references.fetch_sub(1) > 1) return;
  if (queue->device == PC_CUDA) return cuda::queue_free(queue);
  delete queue;
}

#if !defined(PC_HAVE_CUDA)
namespace cuda {
static pc_status absent() { return fail(PC_NO_DEVICE, "this library was built without CUDA"); }
int32_t device_count() { return 0; }
pc_status device_check(int32_t) { return absent(); }
pc_status queue_create(int32_t, pc_queue**) { return absent(); }
pc_status queue_adopt(int32_t, void*, pc_queue**) { return absent(); }
pc_status queue_synchronize(pc_queue*) { return absent(); }
void queue_free(pc_queue*) {}
pc_status queue_notify(pc_queue&, void (*)(void*, pc_status), void*) { return absent(); }
bool reaches_host(const pc_queue&) { return false; }
pc_status device_synchronize(int32_t) { return absent(); }
int64_t device_info(int32_t, char*, int64_t) { return absent(), -1; }
pc_status event_create(pc_queue&, void**) { return absent(); }
pc_status event_record(pc_queue&, void*) { return absent(); }
pc_status event_elapsed(pc_queue&, void*, void*, double*) { return absent(); }
pc_status event_destroy(pc_queue&, void*) { return absent(); }
bool has_context_events(int32_t) { return false; }
pc_status wait_for_context(pc_queue&) { return absent(); }
pc_status let_context_wait(pc_queue&) { return absent(); }
pc_status copy(pc_queue&, const void*, void*, int64_t) { return absent(); }
pc_status memory_allocate(pc_queue&, int64_t, void**) { return absent(); }
pc_status memory_allocate_host(pc_queue&, int64_t, void**) { return absent(); }
pc_status memory_free(pc_queue&, void*) { return absent(); }
pc_status memory_free_host(pc_queue&, void*) { return absent(); }
int64_t partial_sums(int64_t, int64_t, bool) { return 0; }
}  // namespace cuda
#endif

}  // namespace polycom

using namespace polycom;

int32_t pc_abi_version(void) { return PC_ABI_VERSION; }

int64_t pc_last_error(char* buffer, int64_t capacity) { return copy_text(last_error, buffer, capacity); }

int64_t pc_build_info(char* buffer, int64_t capacity) {
#if defined(PC_HAVE_CUDA)
  constexpr const char* has_cuda = "true";
#else
  constexpr const char* has_cuda = "false";
#endif
  char text[512];
  snprintf(text, sizeof text,
           "{\"version\":\"%s\",\"cuda\":%s,\"cuda_architectures\":\"%s\",\"simd\":\"%s\",\"cpus\":%d}",
           PC_VERSION, has_cuda, PC_CUDA_ARCHITECTURES, cpu::simd_level(), available_cpus());
  return copy_text(text, buffer, capacity);
}

int32_t pc_device_count(pc_device device) {
  if (device == PC_CPU) return 1;
  return device == PC_CUDA ? cuda::device_count() : 0;
}

int64_t pc_device_info(pc_device device, int32_t index, char* buffer, int64_t capacity) {
  char text[512] = "{\"name\":\"CPU\"}";
  if (device == PC_CUDA) {
    if (cuda::device_info(index, text, sizeof text) < 0) return -1;
  } else if (device != PC_CPU) {
    return unknown_device("device_info", device), -1;
  } else if (check_cpu_index(index) != PC_OK) {
    return -1;
  }
  return copy_text(text, buffer, capacity);
}

pc_status pc_device_check(pc_device device, int32_t index) {
  if (device == PC_CUDA) return cuda::device_check(index);
  if (device == PC_CPU) return check_cpu_index(index);
  return unknown_device("device_check", device);
}

pc_status pc_queue_create(pc_device device, int32_t index, int32_t threads, pc_queue** queue) {
  if (queue == nullptr) return fail(PC_INVALID_ARGUMENT, "queue_create: nowhere to write the queue");
  *queue = nullptr;
  if (device == PC_CUDA) return cuda::queue_create(index, queue);
  if (device != PC_CPU) return unknown_device("queue_create", device);
  if (pc_status status = check_cpu_index(index)) return status;
  if (threads < 0) return fail(PC_INVALID_ARGUMENT, "queue_create: %d threads; expected 0 or more", threads);
  pc_queue* made = new (std::nothrow) pc_queue{};
  if (made == nullptr) return fail(PC_OUT_OF_MEMORY, "queue_create: no memory for a queue");
  made->device = PC_CPU;
  made->threads = threads == 0 ? available_cpus() : threads;
  *queue = made;
  return PC_OK;
}

pc_status pc_queue_adopt(int32_t index, void* stream, pc_queue** queue) {
  if (queue == nullptr) return fail(PC_INVALID_ARGUMENT, "queue_adopt: nowhere to write the queue");
  *queue = nullptr;
  return cuda::queue_adopt(index, stream, queue);
}

pc_status pc_queue_synchronize(pc_queue* queue) {
  if (queue == nullptr) return fail(PC_INVALID_ARGUMENT, "queue_synchronize: the queue is null");
  return queue->device == PC_CUDA ? cuda::queue_synchronize(queue) : PC_OK;
}

pc_status pc_device_synchronize(pc_device device, int32_t index) {
  if (device == PC_CUDA) return cuda::device_synchronize(index);
  if (device == PC_CPU) return check_cpu_index(index);
  return unknown_device("device_synchronize", device);
}

pc_status pc_queue_destroy(pc_queue* queue) {
  if (queue == nullptr) return PC_OK;
  const pc_status status = pc_queue_synchronize(queue);
  queue_release(queue);
  return status;
}

pc_status pc_queue_notify(pc_queue* queue, void (*callback)(void* context, pc_status status), void* context) {
  if (queue == nullptr) return fail(PC_INVALID_ARGUMENT, "queue_notify: the queue is null");
  if (callback == nullptr) return fail(PC_INVALID_ARGUMENT, "queue_notify: the callback is null");
  if (queue->device == PC_CUDA) return cuda::queue_notify(*queue, callback, context);
  callback(context, PC_OK);
  return PC_OK;
}

int32_t pc_queue_reaches_host(const pc_queue* queue) {
  if (queue == nullptr) return 0;
  return queue->device == PC_CPU || cuda::reaches_host(*queue);
}
