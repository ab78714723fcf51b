// Memory on a queue's device. A ledger knows what is live: it says how much there is, and keeps a pointer
// that is no memory of ours, or is freed twice, from doing harm.
#include <pthread.h>
#include <string.h>

#include <mutex>
#include <new>
#include <unordered_map>

#include "error.h"
#include "polycom.h"
#include "queue.h"

namespace polycom {
namespace {

constexpr std::align_val_t alignment{64};

struct piece {
  pc_queue* queue;
  int64_t bytes;
  bool host;
};

struct ledger {
  std::mutex guard;
  std::unordered_map<void*, piece> pieces;
};

// Never destroyed: threads may free until the process is gone.
ledger& the_ledger = *new ledger;
// A thread that held the lock when another forked would hold it in the child for ever.
[[maybe_unused]] const int across_forks = pthread_atfork(
    [] { the_ledger.guard.lock(); }, [] { the_ledger.guard.unlock(); }, [] { the_ledger.guard.unlock(); });

int64_t bytes_in_use(pc_device device, int32_t index) {
  const std::lock_guard<std::mutex> lock(the_ledger.guard);
  int64_t bytes = 0;
  for (const auto& [memory, p] : the_ledger.pieces) {
    if (!p.host && p.queue->device == device && p.queue->index == index) bytes += p.bytes;
  }
  return bytes;
}

pc_status allocate_on_device(const piece& wanted, void** memory) {
  if (wanted.queue->device == PC_CUDA) {
    return wanted.host ? cuda::memory_allocate_host(*wanted.queue, wanted.bytes, memory)
                       : cuda::memory_allocate(*wanted.queue, wanted.bytes, memory);
  }
  *memory = ::operator new(size_t(wanted.bytes), alignment, std::nothrow);
  return *memory == nullptr ? PC_OUT_OF_MEMORY : PC_OK;
}

pc_status free_on_device(const piece& freed, void* memory) {
  if (freed.queue->device == PC_CUDA) {
    return freed.host ? cuda::memory_free_host(*freed.queue, memory)
                      : cuda::memory_free(*freed.queue, memory);
  }
  ::operator delete(memory, alignment);
  return PC_OK;
}

pc_status out_of_memory(const char* what, const piece& wanted) {
  const pc_queue& queue = *wanted.queue;
  return fail(PC_OUT_OF_MEMORY, "%s: no room for %lld bytes; %lld bytes of %s %d are in use", what,
              (long long)wanted.bytes, (long long)bytes_in_use(queue.device, queue.index),
              queue.device == PC_CUDA ? "CUDA device" : "CPU", queue.index);
}

pc_status allocate(const char* what, const piece& wanted, void** memory) {
  if (memory == nullptr) return fail(PC_INVALID_ARGUMENT, "%s: nowhere to write the memory", what);
  *memory = nullptr;
  if (wanted.queue == nullptr) return fail(PC_INVALID_ARGUMENT, "%s: the queue is null", what);
  if (wanted.bytes < 0) {
    return fail(PC_INVALID_ARGUMENT, "%s: %lld bytes; expected 0 or more", what, (long long)wanted.bytes);
  }
  if (wanted.bytes == 0) return PC_OK;
  void* made = nullptr;
  const pc_status status = allocate_on_device(wanted, &made);
  if (status == PC_OUT_OF_MEMORY) return out_of_memory(what, wanted);
  if (status != PC_OK) return status;
  try {
    const std::lock_guard<std::mutex> lock(the_ledger.guard);
    the_ledger.pieces[made] = wanted;
  } catch (const std::bad_alloc&) {
    free_on_device(wanted, made);
    return out_of_memory(what, wanted);
  }
  wanted.queue->references.fetch_add(1);
  *memory = made;
  return PC_OK;
}

}  // namespace
}  // namespace polycom

using namespace polycom;

pc_status pc_memory_allocate(pc_queue* queue, int64_t bytes, void** memory) {
  return allocate("memory_allocate", {queue, bytes, false}, memory);
}

pc_status pc_memory_allocate_host(pc_queue* queue, int64_t bytes, void** memory) {
  return allocate("memory_allocate_host", {queue, bytes, true}, memory);
}

pc_status pc_memory_free(void* memory) {
  if (memory == nullptr) return PC_OK;
  piece freed;
  {
    const std::lock_guard<std::mutex> lock(the_ledger.guard);
    const auto found = the_ledger.pieces.find(memory);
    if (found == the_ledger.pieces.end()) {
      return fail(PC_INVALID_ARGUMENT, "memory_free: %p is no memory of this library, or was freed", memory);
    }
    freed = found->second;
    the_ledger.pieces.erase(found);
  }
  const pc_status status = free_on_device(freed, memory);
  queue_release(freed.queue);
  return status;
}

pc_status pc_memory_copy(pc_queue* queue, void* to, const void* from, int64_t bytes) {
  if (queue == nullptr) return fail(PC_INVALID_ARGUMENT, "memory_copy: the queue is null");
  if (bytes < 0) {
    return fail(PC_INVALID_ARGUMENT, "memory_copy: %lld bytes; expected 0 or more", (long long)bytes);
  }
  if (bytes == 0) return PC_OK;
  if (to == nullptr || from == nullptr) {
    return fail(PC_INVALID_ARGUMENT, "memory_copy: %s is null", to == nullptr ? "the target" : "the source");
  }
  if (queue->device == PC_CUDA) return cuda::copy(*queue, from, to, bytes);
  memmove(to, from, size_t(bytes));
  return PC_OK;
}

pc_status pc_memory_in_use(pc_device device, int32_t index, int64_t* bytes) {
  if (bytes == nullptr) return fail(PC_INVALID_ARGUMENT, "memory_in_use: nowhere to write the bytes");
  *bytes = 0;
  if (device != PC_CPU && device != PC_CUDA) {
    return fail(PC_INVALID_ARGUMENT, "memory_in_use: device %d; expected 0 (CPU) or 1 (CUDA)", device);
  }
  *bytes = bytes_in_use(device, index);
  return PC_OK;
}
