// Copies. On the device, they are what the kernels are measured against.
#include "runtime/cuda/launch.cuh"

namespace polycom {
namespace cuda {

pc_status copy(pc_queue& queue, const void* from, void* to, int64_t bytes) {
  if (bytes == 0) return PC_OK;
  const device_scope device(queue.index);
  if (pc_status status = device.status("copy")) return status;
  const auto stream = static_cast<cudaStream_t>(queue.stream);
  return check(cudaMemcpyAsync(to, from, size_t(bytes), cudaMemcpyDefault, stream), "copy");
}

}  // namespace cuda
}  // namespace polycom
