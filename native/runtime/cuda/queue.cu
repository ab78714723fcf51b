// CUDA devices and streams.
#include <stdio.h>

#include <new>

#include "launch.cuh"
#include "memory.cuh"
#include "runtime/queue.h"

namespace polycom {
namespace cuda {
namespace {

// One word is used by a launch at a time: launches on a stream follow one another. Captured ones have their own.
constexpr size_t ticket_bytes = 64;

pc_status check_index(int32_t index) {
  const int32_t count = device_count();
  if (index >= 0 && index < count) return PC_OK;
  return fail(PC_NO_DEVICE, "CUDA device %d does not exist; this process can use %d", index, count);
}

// Compiled for the same architectures as every other, so that it tells whether those can run.
__global__ void probe_kernel() {}

// 90 for 9.0.
int32_t architecture_of(int32_t index) {
  int major = 0, minor = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index);
  return major * 10 + minor;
}

pc_status make_tickets(pc_queue& queue) {
  void* tickets = nullptr;
  if (pc_status status = check(cudaMalloc(&tickets, ticket_bytes), "queue_create")) return status;
  queue.tickets = static_cast<unsigned*>(tickets);
  const auto stream = static_cast<cudaStream_t>(queue.stream);
  if (pc_status status = check(cudaMemsetAsync(tickets, 0, ticket_bytes, stream), "queue_create"))
    return status;
  return check(cudaStreamSynchronize(stream), "queue_create");
}

struct notice {
  void (*callback)(void*, pc_status);
  void* context;
};

// A stream callback rather than cudaLaunchHostFunc, which does not call back once the device has failed.
void CUDART_CB give_notice(cudaStream_t, cudaError_t error, void* data) {
  const notice given = *static_cast<notice*>(data);
  delete static_cast<notice*>(data);
  given.callback(given.context, error == cudaSuccess ? PC_OK : PC_DEVICE_ERROR);
}

pc_status make_queue(int32_t index, void* stream, bool owns_stream, pc_queue** queue) {
  if (pc_status status = check_index(index)) return status;
  const device_scope device(index);
  if (pc_status status = device.status("queue_create")) return status;
  pc_queue* made = new (std::nothrow) pc_queue{};
  if (made == nullptr) return fail(PC_OUT_OF_MEMORY, "queue_create: no memory for a queue");
  made->device = PC_CUDA;
  made->index = index;
  made->pool = open_pool(index);
  made->architecture = architecture_of(index);
  made->owns_stream = owns_stream;
  pc_status status = PC_OK;
  if (owns_stream) {
    cudaStream_t fresh = nullptr;
    status = check(cudaStreamCreateWithFlags(&fresh, cudaStreamNonBlocking), "queue_create");
    made->stream = fresh;
  } else {
    made->stream = stream;
  }
  if (status == PC_OK) status = make_tickets(*made);
  if (status != PC_OK) {
    queue_free(made);
    return status;
  }
  *queue = made;
  return PC_OK;
}

}  // namespace

int32_t device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

pc_status device_check(int32_t index) {
  int count = 0;
  if (pc_status status = check(cudaGetDeviceCount(&count), "device_check")) return status;
  if (pc_status status = check_index(index)) return status;
  const device_scope device(index);
  if (pc_status status = device.status("device_check")) return status;
  const int32_t own = architecture_of(index);
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, probe_kernel);
  cudaGetLastError();
  const pc_status status = check(error, "device_check");
  if (status != PC_UNSUPPORTED) return status;
  return fail(status, "CUDA device %d has the compute capability %d.%d; the kernels are for %s (%s)", index,
              own / 10, own % 10, PC_CUDA_ARCHITECTURES, cudaGetErrorName(error));
}

int64_t device_info(int32_t index, char* text, int64_t capacity) {
  if (check_index(index) != PC_OK) return -1;
  cudaDeviceProp about;
  if (check(cudaGetDeviceProperties(&about, index), "device_info") != PC_OK) return -1;
  return snprintf(text, size_t(capacity),
                  "{\"name\":\"%s\",\"architecture\":%d,\"multiprocessors\":%d,\"l2_bytes\":%d,"
                  "\"memory_bytes\":%lld}",
                  about.name, 10 * about.major + about.minor, about.multiProcessorCount, about.l2CacheSize,
                  static_cast<long long>(about.totalGlobalMem));
}

pc_status queue_create(int32_t index, pc_queue** queue) { return make_queue(index, nullptr, true, queue); }

pc_status queue_adopt(int32_t index, void* stream, pc_queue** queue) {
  return make_queue(index, stream, false, queue);
}

pc_status queue_synchronize(pc_queue* queue) {
  const device_scope device(queue->index);
  if (pc_status status = device.status("queue_synchronize")) return status;
  return check(cudaStreamSynchronize(static_cast<cudaStream_t>(queue->stream)), "queue_synchronize");
}

void queue_free(pc_queue* queue) {
  const device_scope device(queue->index);
  if (queue->tickets != nullptr) cudaFree(queue->tickets);
  if (queue->owns_stream && queue->stream != nullptr) {
    cudaStreamDestroy(static_cast<cudaStream_t>(queue->stream));
  }
  if (queue->pool != nullptr) close_pool(queue->index);
  delete queue;
}

pc_status device_synchronize(int32_t index) {
  if (pc_status status = check_index(index)) return status;
  const device_scope device(index);
  if (pc_status status = device.status("device_synchronize")) return status;
  return check(cudaDeviceSynchronize(), "device_synchronize");
}

pc_status queue_notify(pc_queue& queue, void (*callback)(void*, pc_status), void* context) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("queue_notify")) return status;
  notice* made = new (std::nothrow) notice{callback, context};
  if (made == nullptr) return fail(PC_OUT_OF_MEMORY, "queue_notify: no memory for a notice");
  const auto stream = static_cast<cudaStream_t>(queue.stream);
  const pc_status status = check(cudaStreamAddCallback(stream, give_notice, made, 0), "queue_notify");
  if (status != PC_OK) delete made;
  return status;
}

// A GPU that merely can fault pages in (cudaDevAttrPageableMemoryAccess: any with an open driver and a new Linux) moves
// each over PCIe, a hundred times slower than a copy: no.
bool reaches_host(const pc_queue& queue) {
  return has(queue.index, cudaDevAttrPageableMemoryAccessUsesHostPageTables);
}

}  // namespace cuda
}  // namespace polycom
