// Events: marks in a queue's work that take the time.
#include <chrono>
#include <new>

#include "error.h"
#include "polycom.h"
#include "queue.h"

struct pc_event {
  using clock = std::chrono::steady_clock;

  pc_queue* queue;
  void* mark;  // CUDA: its event
  bool recorded;
  clock::time_point at;  // CPU
};

using namespace polycom;

pc_status pc_event_create(pc_queue* queue, pc_event** event) {
  if (event == nullptr) return fail(PC_INVALID_ARGUMENT, "event_create: nowhere to write the event");
  *event = nullptr;
  if (queue == nullptr) return fail(PC_INVALID_ARGUMENT, "event_create: the queue is null");
  pc_event* made = new (std::nothrow) pc_event{};
  if (made == nullptr) return fail(PC_OUT_OF_MEMORY, "event_create: no memory for an event");
  made->queue = queue;
  const pc_status status = queue->device == PC_CUDA ? cuda::event_create(*queue, &made->mark) : PC_OK;
  if (status != PC_OK) {
    delete made;
    return status;
  }
  queue->references.fetch_add(1);
  *event = made;
  return PC_OK;
}

pc_status pc_event_record(pc_event* event) {
  if (event == nullptr) return fail(PC_INVALID_ARGUMENT, "event_record: the event is null");
  if (event->queue->device == PC_CUDA) {
    if (pc_status status = cuda::event_record(*event->queue, event->mark)) return status;
  } else {
    event->at = pc_event::clock::now();
  }
  event->recorded = true;
  return PC_OK;
}

pc_status pc_event_elapsed(const pc_event* from, const pc_event* to, double* milliseconds) {
  if (milliseconds == nullptr) return fail(PC_INVALID_ARGUMENT, "event_elapsed: nowhere to write the time");
  if (from == nullptr || to == nullptr) return fail(PC_INVALID_ARGUMENT, "event_elapsed: an event is null");
  const pc_queue &first = *from->queue, &second = *to->queue;
  if (first.device != second.device || first.index != second.index)
    return fail(PC_INVALID_ARGUMENT, "event_elapsed: the events are of two devices");
  if (!from->recorded || !to->recorded)
    return fail(PC_INVALID_ARGUMENT, "event_elapsed: an event has not been recorded");
  if (second.device == PC_CUDA) return cuda::event_elapsed(*to->queue, from->mark, to->mark, milliseconds);
  *milliseconds = std::chrono::duration<double, std::milli>(to->at - from->at).count();
  return PC_OK;
}

pc_status pc_event_destroy(pc_event* event) {
  if (event == nullptr) return PC_OK;
  pc_queue* queue = event->queue;
  const pc_status status =
      queue->device == PC_CUDA ? cuda::event_destroy(*queue, event->mark) : pc_status(PC_OK);
  delete event;
  queue_release(queue);
  return status;
}
