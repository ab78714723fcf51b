// The word by which the blocks of a backward launch find out which of them is the last: 0 before and after.
#pragma once
#include "runtime/cuda/launch.cuh"

namespace polycom {
namespace cuda {

// The queue's own, as launches on a stream follow one another. Of a launch that is captured, the one in the call's
// workspace, which the graph sets to 0: it may be replayed at any time, beside the queue's work on another stream.
inline pc_status ticket_of(const pc_queue& queue, const activation_call& call, unsigned** ticket) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("launch")) return status;
  const auto stream = static_cast<cudaStream_t>(queue.stream);
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  if (pc_status status = check(cudaStreamIsCapturing(stream, &capture), "launch")) return status;
  *ticket = queue.tickets;
  if (capture == cudaStreamCaptureStatusNone) return PC_OK;
  *ticket = call.ticket;
  return check(cudaMemsetAsync(call.ticket, 0, sizeof(unsigned), stream), "launch");
}

}  // namespace cuda
}  // namespace polycom
