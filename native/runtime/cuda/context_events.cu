// Events of a whole context: a stream waits for all that any stream of the context was asked, and all of them for it.
// Of the driver's functions, since 12.5: found when they are needed, as an older driver does without.
#include <dlfcn.h>

#include <mutex>

#include "launch.cuh"
#include "runtime/queue.h"

namespace polycom {
namespace cuda {
namespace {

// CUresult and CUcontext, of a header that is not needed otherwise.
using context_function = int (*)(void* context, cudaEvent_t event);
using current_function = int (*)(void** context);

struct driver {
  context_function record = nullptr, wait = nullptr;
  current_function current = nullptr;
  bool complete() const { return record != nullptr && wait != nullptr && current != nullptr; }
};

// In the driver's library, or where the runtime has the driver's functions itself.
driver find_driver() {
  driver found;
  Dl_info runtime{};
  dladdr(reinterpret_cast<void*>(cudaDeviceSynchronize), &runtime);
  for (const char* name : {"libcuda.so.1", runtime.dli_fname}) {
    void* library = name == nullptr ? nullptr : dlopen(name, RTLD_NOLOAD | RTLD_LAZY);
    if (library == nullptr) continue;
    found.record = reinterpret_cast<context_function>(dlsym(library, "cuCtxRecordEvent"));
    found.wait = reinterpret_cast<context_function>(dlsym(library, "cuCtxWaitEvent"));
    found.current = reinterpret_cast<current_function>(dlsym(library, "cuCtxGetCurrent"));
    dlclose(library);
    if (found.complete()) break;
  }
  return found;
}

const driver& the_driver() {
  static const driver found = find_driver();
  return found;
}

constexpr int most_devices = 64;

// Two for each device: before an op, and after it.
cudaError_t events_of(int32_t index, cudaEvent_t** events) {
  static std::mutex guard;
  static cudaEvent_t made[most_devices][2];
  const std::lock_guard<std::mutex> lock(guard);
  *events = made[index];
  for (cudaEvent_t& event : made[index]) {
    if (event != nullptr) continue;
    const cudaError_t error = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

pc_status use_context(context_function function, const char* name, cudaEvent_t event) {
  void* context = nullptr;
  int error = the_driver().current(&context);
  if (error == 0) error = function(context, event);
  return error == 0 ? PC_OK : fail(PC_DEVICE_ERROR, "%s: error %d of the driver", name, error);
}

}  // namespace

bool has_context_events(int32_t index) {
  return index >= 0 && index < most_devices && the_driver().complete();
}

pc_status wait_for_context(pc_queue& queue) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("wait_for_context")) return status;
  cudaEvent_t* events;
  if (pc_status status = check(events_of(queue.index, &events), "wait_for_context")) return status;
  if (pc_status status = use_context(the_driver().record, "cuCtxRecordEvent", events[0])) return status;
  return check(cudaStreamWaitEvent(static_cast<cudaStream_t>(queue.stream), events[0], 0),
               "wait_for_context");
}

pc_status let_context_wait(pc_queue& queue) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("let_context_wait")) return status;
  cudaEvent_t* events;
  if (pc_status status = check(events_of(queue.index, &events), "let_context_wait")) return status;
  const auto stream = static_cast<cudaStream_t>(queue.stream);
  if (pc_status status = check(cudaEventRecord(events[1], stream), "let_context_wait")) return status;
  return use_context(the_driver().wait, "cuCtxWaitEvent", events[1]);
}

}  // namespace cuda
}  // namespace polycom
