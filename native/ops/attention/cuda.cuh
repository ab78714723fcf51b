// The attention in CUDA: on tensor cores where a GPU has those of sm_80 or newer, else by plain arithmetic.
#pragma once
#include <initializer_list>

#include "call.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/packed.cuh"
#include "runtime/cuda/resident.cuh"
#include "runtime/queue.h"

namespace polycom {
namespace cuda {

constexpr int most_attention_width = 256;

// cuda_simt*.cu
pc_status simt_attention_forward(pc_queue& queue, const attention_call& call);
pc_status simt_attention_backward(pc_queue& queue, const attention_call& call);

// cuda_forward.cu, cuda_backward.cu
pc_status mma_attention_forward(pc_queue& queue, const attention_call& call);
pc_status mma_attention_backward(pc_queue& queue, const attention_call& call);

template <int W>
struct width_tag {
  static constexpr int width = W;
};

// run(type_tag of the storage, width_tag) with the least padded width that holds the call's.
template <class Run>
pc_status with_storage_and_width(const attention_call& call, Run run) {
  return with_storage(call.dtype, [&](auto storage) {
    if (call.width <= 64) return run(storage, width_tag<64>{});
    if (call.width <= 128) return run(storage, width_tag<128>{});
    return run(storage, width_tag<most_attention_width>{});
  });
}

// Whether the tensors that a pass has, but those that the last axis alone makes contiguous, are of whole slots of 16
// bytes.
inline bool has_whole_slots(const attention_call& call, int64_t item) {
  for (const heads_view* view :
       {&call.q, &call.k, &call.v, &call.y, &call.dy, &call.dq, &call.dk, &call.dv}) {
    if (view->data == nullptr) continue;
    if ((reinterpret_cast<uintptr_t>(view->data) | uintptr_t(view->batch * item) |
         uintptr_t(view->time * item) | uintptr_t(view->head * item)) %
            16 !=
        0)
      return false;
  }
  return call.width * item % 16 == 0;
}

// Launches a kernel of tiles, whose shared memory may be more than CUDA gives without being asked.
template <class... Parameters, class... Arguments>
pc_status launch_tiles(const pc_queue& queue, const launch_shape& shape, void (*kernel)(Parameters...),
                       const Arguments&... arguments) {
  int64_t resident;
  const auto address = reinterpret_cast<const void*>(kernel);
  if (pc_status status = resident_clusters(queue, address, shape, &resident)) return status;
  return launch(queue, shape, kernel, arguments...);
}

}  // namespace cuda
}  // namespace polycom
