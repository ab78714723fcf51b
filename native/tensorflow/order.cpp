// The order of an op's work on a GPU among TensorFlow's own: on its stream, or by events of the whole context, or by
// waiting. TensorFlow's streams are non-blocking: what is launched on the default stream is in no order with them.
#include "order.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "runtime/error.h"
#include "runtime/queue.h"

namespace polycom {
namespace tensorflow {
namespace {

enum tier { device_stream = 0, header_stream = 1, context_events = 2, waiting = 3 };

std::mutex guard;
std::atomic<int> last_tier{-1};

// The function of pc_tensorflow_use_stream.
std::atomic<void* (*)(void* context)> header_function{nullptr};

// The function by which a pluggable device says what CUDA stream one of its streams is.
using stream_function = void* (*)(void* stream);
constexpr const char* stream_function_name = "polycom_cuda_stream";

int collect_name(dl_phdr_info* info, size_t, void* names) {
  if (info->dlpi_name[0] != '\0') static_cast<std::vector<std::string>*>(names)->push_back(info->dlpi_name);
  return 0;
}

stream_function find_stream_function() {
  std::vector<std::string> names;
  dl_iterate_phdr(collect_name, &names);
  for (const std::string& name : names) {
    void* library = dlopen(name.c_str(), RTLD_NOLOAD | RTLD_LAZY);
    void* found = library == nullptr ? nullptr : dlsym(library, stream_function_name);
    if (library != nullptr) dlclose(library);
    if (found != nullptr) return reinterpret_cast<stream_function>(found);
  }
  return nullptr;
}

// The tier that POLYCOM_STREAM_TIER asks for; -1 where it asks for none.
pc_status ask_tier(int* asked) {
  const char* text = getenv("POLYCOM_STREAM_TIER");
  *asked = -1;
  if (text == nullptr || text[0] == '\0') return PC_OK;
  *asked = text[0] - '0';
  if (*asked >= device_stream && *asked <= waiting && text[1] == '\0') return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "tensorflow: POLYCOM_STREAM_TIER is %s; expected 0, 1, 2 or 3", text);
}

// Once for each device and stream; null for a queue with a stream of our own.
pc_status queue_of(pc_device device, int index, void* stream, pc_queue** queue) {
  static std::map<std::pair<int, void*>, pc_queue*> made[2];
  const std::lock_guard<std::mutex> lock(guard);
  pc_queue*& slot = made[device][{index, stream}];
  pc_status status = PC_OK;
  if (slot == nullptr && stream != nullptr)
    status = pc_queue_adopt(index, stream, &slot);
  else if (slot == nullptr)
    status = pc_queue_create(device, index, 0, &slot);
  *queue = slot;
  return status;
}

// The first tier that can be had, or the one that is asked for.
pc_status choose(const bool (&has)[4], int asked, int* chosen) {
  *chosen = asked >= 0 ? asked : int(std::find(has, has + waiting, true) - has);
  if (has[*chosen]) return PC_OK;
  return fail(PC_UNSUPPORTED, "tensorflow: POLYCOM_STREAM_TIER=%d is not to be had here; expected %s%s%s3",
              asked, has[device_stream] ? "0, " : "", has[header_stream] ? "1, " : "",
              has[context_events] ? "2, " : "");
}

}  // namespace

pc_status find_place(TF_OpKernelContext* context, pc_device device, int index, place* found) {
  *found = {};
  if (device == PC_CPU) return queue_of(device, index, nullptr, &found->queue);
  status_holder status;
  void* stream = tf.GetStream(context, status.value);  // only a pluggable device gives its own
  void* own_stream = nullptr;
  if (status.ok() && stream != nullptr) {
    static const stream_function stream_of = find_stream_function();
    if (stream_of == nullptr) {
      return fail(PC_UNSUPPORTED, "tensorflow: its GPU is a pluggable device, whose library exports no %s",
                  stream_function_name);
    }
    own_stream = stream_of(stream);
  }
  int asked = -1;
  if (pc_status failed = ask_tier(&asked)) return failed;
  // Not called where a later tier is asked for: whoever it fails can do without it.
  void* (*const finder)(void*) = asked <= header_stream ? header_function.load() : nullptr;
  void* const found_stream = finder == nullptr ? nullptr : finder(context);
  void* const streams[] = {own_stream, found_stream, nullptr, nullptr};
  const bool has[] = {own_stream != nullptr, found_stream != nullptr, cuda::has_context_events(index), true};
  if (pc_status failed = choose(has, asked, &found->tier)) return failed;
  last_tier = found->tier;
  return queue_of(device, index, streams[found->tier], &found->queue);
}

pc_status run_in_order(const op& of, const place& at, const pc_args* args) {
  if (at.queue->device == PC_CPU || at.tier <= header_stream) return of.run(at.queue, args);
  if (at.tier == waiting) {
    if (pc_status status = pc_device_synchronize(PC_CUDA, at.queue->index)) return status;
    if (pc_status status = of.run(at.queue, args)) return status;
    return pc_queue_synchronize(at.queue);
  }
  // The queue's events are of one op at a time.
  static std::mutex ordering;
  const std::lock_guard<std::mutex> lock(ordering);
  if (pc_status status = cuda::wait_for_context(*at.queue)) return status;
  const pc_status ran = of.run(at.queue, args);
  const pc_status status = cuda::let_context_wait(*at.queue);
  return ran != PC_OK ? ran : status;
}

}  // namespace tensorflow
}  // namespace polycom

void pc_tensorflow_use_stream(void* (*stream_of)(void* context)) {
  polycom::tensorflow::header_function = stream_of;
}

int32_t pc_tensorflow_stream_tier() { return polycom::tensorflow::last_tier; }
