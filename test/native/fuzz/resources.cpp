#include "resources.h"

#include <limits.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "memory.h"
#include "polycom_tensorflow.h"
#include "report.h"

namespace fuzz {
namespace {

void refuses(pc_status status, const char* what) {
  expect(status > PC_OK && status <= PC_OUT_OF_MEMORY, "%s has status %d", what, status);
  expect(pc_last_error(nullptr, 0) > 0, "the refusal of %s has no text", what);
  ++now.refused;
}

int64_t in_use(pc_device device) {
  int64_t bytes = -1;
  expect(pc_memory_in_use(device, 0, &bytes) == PC_OK, "memory_in_use fails");
  return bytes;
}

// Memory that outlives its queue, in any order, and freed twice.
void use_memory(pc_device device, bool alone, random_source& random) {
  pc_queue* queue = nullptr;
  expect(pc_queue_create(device, 0, int32_t(random.between(0, 3)), &queue) == PC_OK, "no queue");
  const int64_t before = in_use(device);
  std::vector<std::pair<char*, int64_t>> live;
  int64_t on_device = 0;
  for (int64_t n = random.between(0, 6); n > 0; --n) {
    const bool host = random.chance(30);
    const int64_t bytes = random.one_of<int64_t>({0, 1, 63, 64, 4096, 100001});
    void* memory = &memory;
    expect((host ? pc_memory_allocate_host : pc_memory_allocate)(queue, bytes, &memory) == PC_OK,
           "no memory");
    expect((memory == nullptr) == (bytes == 0), "%lld bytes at %p", (long long)bytes, memory);
    if (memory == nullptr) continue;
    expect(uintptr_t(memory) % 64 == 0, "memory is misaligned");
    memset(memory, int(n), size_t(bytes));
    live.push_back({static_cast<char*>(memory), bytes});
    if (!host) on_device += bytes;
  }
  expect(!alone || in_use(device) == before + on_device, "the bytes in use are wrong");
  if (live.size() > 1) {
    const int64_t bytes = std::min(live[0].second, live[1].second);
    expect(pc_memory_copy(queue, live[0].first, live[1].first, bytes) == PC_OK, "a copy fails");
    expect(pc_queue_synchronize(queue) == PC_OK, "the queue fails");
    expect(memcmp(live[0].first, live[1].first, size_t(bytes)) == 0, "a copy is wrong");
  }
  expect(pc_queue_destroy(queue) == PC_OK, "a queue with memory is not destroyed");
  while (!live.empty()) {
    std::swap(live[size_t(random.between(0, int64_t(live.size()) - 1))], live.back());
    expect(pc_memory_free(live.back().first) == PC_OK, "memory is not freed");
    refuses(pc_memory_free(live.back().first), "freeing twice");
    live.pop_back();
  }
  expect(!alone || in_use(device) == before, "memory has leaked");
}

void abuse_memory(pc_queue* queue, random_source& random) {
  char bytes[64];
  void* memory = bytes;
  const auto allocate = random.chance(50) ? pc_memory_allocate : pc_memory_allocate_host;
  refuses(allocate(nullptr, 8, &memory), "memory of no queue");
  refuses(allocate(queue, 8, nullptr), "memory for nowhere");
  refuses(allocate(queue, random.one_of<int64_t>({-1, INT64_MIN}), &memory), "negative memory");
  refuses(allocate(queue, random.one_of<int64_t>({INT64_MAX, INT64_MAX - 64, 1ll << 62, 1ll << 50}), &memory),
          "more memory than there is");
  expect(memory == nullptr, "a failed allocation gives a pointer");
  refuses(pc_memory_free(random.chance(50) ? bytes : reinterpret_cast<char*>(random.bits() | 1)),
          "freeing what is not ours");
  expect(pc_memory_free(nullptr) == PC_OK, "freeing null fails");
  refuses(pc_memory_copy(nullptr, bytes, bytes + 32, 8), "a copy on no queue");
  refuses(pc_memory_copy(queue, nullptr, bytes, 8), "a copy to null");
  refuses(pc_memory_copy(queue, bytes, nullptr, 8), "a copy from null");
  refuses(pc_memory_copy(queue, bytes, bytes + 32, random.one_of<int64_t>({-1, INT64_MIN})),
          "a negative copy");
  expect(pc_memory_copy(queue, nullptr, nullptr, 0) == PC_OK, "a copy of nothing fails");
  int64_t used = 0;
  const auto device = random.one_of<pc_device>({-1, 2, INT_MAX, INT_MIN});
  refuses(pc_memory_in_use(device, 0, &used), "the memory of no device");
  refuses(pc_memory_in_use(PC_CPU, 0, nullptr), "bytes for nowhere");
  expect(pc_memory_in_use(PC_CUDA, INT_MIN, &used) == PC_OK && used == 0, "a device of no index has memory");
}

void abuse_queues(pc_device device, pc_queue* queue, random_source& random) {
  pc_queue* made = queue;
  const int32_t index = random.one_of({-1, 1, 64, INT_MAX, INT_MIN});
  refuses(pc_queue_create(device, index, 0, &made), "a queue of no index");
  expect(made == nullptr, "a failed creation gives a queue");
  refuses(pc_queue_create(random.one_of({-1, 2, INT_MAX, INT_MIN}), 0, 0, &made), "a queue of no device");
  refuses(pc_queue_create(device, 0, 0, nullptr), "a queue for nowhere");
  refuses(pc_queue_create(PC_CPU, 0, random.one_of({-1, INT_MIN}), &made), "a queue of negative threads");
  refuses(pc_queue_adopt(index, nullptr, &made), "a stream of no device");
  refuses(pc_queue_adopt(0, nullptr, nullptr), "a stream for nowhere");
  if (device == PC_CPU && pc_device_count(PC_CUDA) == 0)
    refuses(pc_queue_adopt(0, nullptr, &made), "a stream without CUDA");
  refuses(pc_queue_synchronize(nullptr), "waiting for no queue");
  refuses(pc_device_synchronize(device, index), "waiting for no index");
  refuses(pc_device_synchronize(random.one_of({-1, 2, INT_MAX}), 0), "waiting for no device");
  expect(pc_device_synchronize(device, 0) == PC_OK, "waiting for a device fails");
  expect(pc_queue_destroy(nullptr) == PC_OK, "destroying null fails");
  refuses(pc_queue_notify(nullptr, [](void*, pc_status) {}, nullptr), "a notice of no queue");
  refuses(pc_queue_notify(queue, nullptr, nullptr), "a notice to no one");
  expect(pc_queue_reaches_host(nullptr) == 0, "no queue reaches the host");
  expect(pc_device_count(random.one_of({-1, 2, INT_MIN})) == 0, "there are devices of no kind");
  expect(pc_queue_create(PC_CPU, 0, INT_MAX, &made) == PC_OK, "a queue of many threads fails");
  std::atomic<int> told{0};
  const auto tell = [](void* told, pc_status status) {
    *static_cast<std::atomic<int>*>(told) = status == PC_OK;
  };
  expect(pc_queue_notify(made, tell, &told) == PC_OK && told == 1, "a CPU queue does not tell at once");
  expect(pc_queue_destroy(made) == PC_OK, "a queue is not destroyed");
}

// Texts into buffers of exactly the bytes that are named.
void read_texts(random_source& random) {
  for (const auto text : {pc_last_error, pc_build_info}) {
    const int64_t length = text(nullptr, random.one_of<int64_t>({0, -1, INT64_MAX, INT64_MIN}));
    const int64_t capacity = random.between(0, length + 2);
    allocation buffer(capacity);
    expect(text(buffer.data(), capacity) == length, "a text changes its length");
    if (capacity > 0)
      expect(int64_t(strlen(buffer.data())) == std::min(capacity - 1, length), "a text is cut wrongly");
    expect(text(buffer.data(), -1) == length, "a text changes its length");
  }
}

std::string random_text(random_source& random) {
  if (random.chance(20)) return std::string(size_t(random.between(1, 5000)), 'A');
  std::string text;
  for (int64_t n = random.between(0, 40); n > 0; --n)
    text += random.chance(70) ? random.one_of({'a', 'x', 'Z', ',', '+', '\n', ':'})
                              : char(random.between(1, 255));
  return text;
}

void abuse_tensorflow(random_source& random) {
  refuses(pc_tensorflow_attach(nullptr), "no libraries");
  refuses(pc_tensorflow_attach(random_text(random).c_str()), "libraries of garbage");
  refuses(pc_tensorflow_attach("libc.so.6\nlibm.so.6\n\n"), "libraries that are not TensorFlow");
  const std::string texts[] = {random_text(random), random_text(random), random_text(random),
                               random_text(random)};
  const auto maybe = [&](int i) { return random.chance(20) ? nullptr : texts[i].c_str(); };
  refuses(pc_tensorflow_register(maybe(0), random.chance(20) ? nullptr : pc_relu_forward,
                                 random.chance(20) ? nullptr : pc_relu_forward_plan, maybe(1), maybe(2),
                                 maybe(3)),
          "an op without TensorFlow");
}

}  // namespace

void use_resources(pc_device device, pc_queue* queue, bool alone, random_source& random) {
  use_memory(device, alone, random);
  abuse_memory(queue, random);
  abuse_queues(device, queue, random);
  read_texts(random);
  abuse_tensorflow(random);
}

}  // namespace fuzz
