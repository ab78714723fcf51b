// CUDA's events.
#include "launch.cuh"
#include "runtime/queue.h"

namespace polycom {
namespace cuda {

pc_status event_create(pc_queue& queue, void** event) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("event_create")) return status;
  cudaEvent_t made = nullptr;
  const pc_status status = check(cudaEventCreate(&made), "event_create");
  *event = made;
  return status;
}

pc_status event_record(pc_queue& queue, void* event) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("event_record")) return status;
  const auto stream = static_cast<cudaStream_t>(queue.stream);
  return check(cudaEventRecord(static_cast<cudaEvent_t>(event), stream), "event_record");
}

pc_status event_elapsed(pc_queue& queue, void* from, void* to, double* milliseconds) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("event_elapsed")) return status;
  float elapsed = 0;
  const cudaError_t error =
      cudaEventElapsedTime(&elapsed, static_cast<cudaEvent_t>(from), static_cast<cudaEvent_t>(to));
  if (error == cudaErrorNotReady)
    return fail(PC_INVALID_ARGUMENT, "event_elapsed: the work has not come to an event; wait for the queue");
  *milliseconds = elapsed;
  return check(error, "event_elapsed");
}

pc_status event_destroy(pc_queue& queue, void* event) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("event_destroy")) return status;
  return check(cudaEventDestroy(static_cast<cudaEvent_t>(event)), "event_destroy");
}

}  // namespace cuda
}  // namespace polycom
