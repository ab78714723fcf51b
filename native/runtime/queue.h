// What a queue is inside the library.
#pragma once
#include <atomic>

#include "polycom.h"

struct pc_queue {
  pc_device device;
  int32_t index;
  int32_t threads;       // CPU: the most threads an op may use
  void* stream;          // CUDA: the stream (a cudaStream_t)
  bool owns_stream;      // CUDA: whether destroying the queue destroys it
  unsigned* tickets;     // CUDA: zero between launches; the last block of a reduction resets what it used
  void* pool;            // CUDA: where memory comes from (a cudaMemPool_t); null where there are no pools
  int32_t architecture;  // CUDA: 90 for 9.0
  std::atomic<int64_t> references{1};  // its creator's, and one for each piece of its memory
};

namespace polycom {

// Gives a reference back; the last one frees the queue.
void queue_release(pc_queue* queue);

// What a build without CUDA answers, or native/runtime/cuda with it.
namespace cuda {
int32_t device_count();
pc_status device_check(int32_t index);
pc_status queue_create(int32_t index, pc_queue** queue);
pc_status queue_adopt(int32_t index, void* stream, pc_queue** queue);
pc_status queue_synchronize(pc_queue* queue);
void queue_free(pc_queue* queue);
pc_status queue_notify(pc_queue& queue, void (*callback)(void*, pc_status), void* context);
bool reaches_host(const pc_queue& queue);
pc_status device_synchronize(int32_t index);
int64_t device_info(int32_t index, char* text, int64_t capacity);
pc_status event_create(pc_queue& queue, void** event);
pc_status event_record(pc_queue& queue, void* event);
pc_status event_elapsed(pc_queue& queue, void* from, void* to, double* milliseconds);
pc_status event_destroy(pc_queue& queue, void* event);
bool has_context_events(int32_t index);
pc_status wait_for_context(pc_queue& queue);
pc_status let_context_wait(pc_queue& queue);
pc_status copy(pc_queue& queue, const void* from, void* to, int64_t bytes);
pc_status memory_allocate(pc_queue& queue, int64_t bytes, void** memory);
pc_status memory_allocate_host(pc_queue& queue, int64_t bytes, void** memory);
pc_status memory_free(pc_queue& queue, void* memory);
pc_status memory_free_host(pc_queue& queue, void* memory);
}  // namespace cuda

}  // namespace polycom
