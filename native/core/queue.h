// What a queue is inside the library.
#pragma once
#include "polycom.h"

struct pc_queue {
  pc_device device;
  int32_t index;
  int32_t threads;    // CPU: the most threads an op may use
  void* stream;       // CUDA: the stream (a cudaStream_t)
  bool owns_stream;   // CUDA: whether destroying the queue destroys it
  unsigned* tickets;  // CUDA: zero between launches; the last block of a reduction resets what it used
};

namespace polycom {

// What a build without CUDA answers, or native/cuda with it.
namespace cuda {
int32_t device_count();
pc_status queue_create(int32_t index, pc_queue** queue);
pc_status queue_adopt(int32_t index, void* stream, pc_queue** queue);
pc_status queue_synchronize(pc_queue* queue);
pc_status queue_destroy(pc_queue* queue);
pc_status device_synchronize(int32_t index);
}  // namespace cuda

}  // namespace polycom
