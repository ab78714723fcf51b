// Calls every function of the C ABI, rightly and wrongly, for some seconds:
//
//   polycom_fuzz cpu|cuda SEED SECONDS [CALL]   with CALL, that call alone
//   polycom_fuzz threads SEED SECONDS           on the CPU, from several threads and on shared queues at once
//
// A sanitizer's report or a failed expectation ends it. Its last line is JSON: what it did.
#include <sanitizer/common_interface_defs.h>
#include <string.h>

#include <chrono>
#include <thread>

#include "call.h"
#include "fused.h"
#include "report.h"
#include "resources.h"

namespace fuzz {
namespace {

struct session {
  pc_device device;
  bool threaded;
  limits most;
  pc_queue* queues[2];
  pc_queue* cpu;  // of this thread alone

  pc_queue* any(random_source& random) const { return queues[random.between(0, 1)]; }
};

limits random_limits(const session& s, random_source& random) {
  // Past the caches, by streaming stores.
  if (s.device == PC_CPU && random.chance(1) && random.chance(20)) return {5 << 20, s.most.rows};
  return random.chance(s.threaded ? 40 : 5) ? s.most : limits{3000, s.most.rows};
}

void refuse(const call& c, pc_queue* queue) {
  const untouched rest(c);
  const std::vector<char> before = output_bytes(c);
  const pc_status status = c.of->run(queue, &c.args());
  expect(status > PC_OK && status <= PC_OUT_OF_MEMORY, "a broken call has status %d", status);
  expect(pc_last_error(nullptr, 0) > 0, "a refusal has no text");
  rest.check();
  expect(output_bytes(c) == before, "a refused call has written");
  ++now.refused;
}

void run_valid(const session& s, const call& c, random_source& random) {
  const untouched rest(c);
  const pc_status status = c.of->run(s.any(random), &c.args());
  expect(status == PC_OK, "a valid call has status %d", status);
  rest.check();
  if (c.tame && c.elements() <= 1 << 15) {
    compare_with_plain(c, s.device, s.cpu);
    ++now.compared;
  }
  if (!random.chance(10)) return;
  const std::vector<char> first = output_bytes(c);
  for (size_t i = c.inputs(); i < c.views.size(); ++i) c.views[i].memory->refill();
  if (c.workspace != nullptr) c.workspace->refill();
  expect(c.of->run(s.any(random), &c.args()) == PC_OK, "a valid call fails the second time");
  expect(output_bytes(c) == first, "the bits differ the second time");
}

// A plan reads no memory but its block: any bytes there may come back with any status.
void plan_garbage(const call& c, pc_queue* queue, random_source& random) {
  if (random.chance(50)) {
    for (size_t i = 0; i < c.roles.size(); ++i) {
      pc_tensor& t = c.tensor(i);
      for (int64_t& size : t.shape) size = random.one_of<int64_t>({0, 1, 3, 1 << 20, 1ll << 40, 1ll << 59});
      for (int64_t& stride : t.strides) stride = random.one_of<int64_t>({0, 1, 3, 1 << 30, 1ll << 59});
    }
  } else {
    for (int64_t n = random.between(1, 40); n > 0; --n)
      c.block->data()[random.between(0, c.block->size() - 1)] = char(random.bits());
  }
  const pc_status status = c.of->plan(queue, &c.args());
  expect(status >= PC_OK && status <= PC_OUT_OF_MEMORY, "a plan of garbage has status %d", status);
  if (status == PC_OK) expect(c.args().workspace_size >= 0, "a plan asks for a negative workspace");
}

void refuse_nulls(const call& c, pc_queue* queue) {
  expect(c.of->run(nullptr, &c.args()) == PC_INVALID_ARGUMENT, "no queue");
  expect(c.of->run(queue, nullptr) == PC_INVALID_ARGUMENT, "no arguments");
  expect(c.of->plan(nullptr, &c.args()) == PC_INVALID_ARGUMENT, "no queue for a plan");
  expect(c.of->plan(queue, nullptr) == PC_INVALID_ARGUMENT, "no arguments for a plan");
}

void one_call(const session& s, random_source& random) {
  const op& of = ops()[size_t(random.between(0, int64_t(ops().size()) - 1))];
  now.op = of.name;
  pc_queue* queue = s.any(random);
  const call c = make_call(of, queue, random_limits(s, random), random);
  if (random.chance(40)) {
    run_valid(s, c, random);
  } else if (random.chance(5)) {
    refuse_nulls(c, queue);
  } else if (random.chance(15)) {
    plan_garbage(c, queue, random);
  } else if (break_call(c, random)) {
    refuse(c, queue);
  }
}

void one_turn(const session& s, random_source& random) {
  if (random.chance(30)) return one_fused_call(s.queues, s.device, random);
  if (random.chance(98)) return one_call(s, random);
  now.op = "memory, queues and texts";
  use_resources(s.device, s.any(random), !s.threaded, random);
}

// Calls for some seconds, or one call alone.
progress run(const session& s, const char* mode, uint64_t seed, double seconds, int64_t only) {
  now.mode = mode;
  now.seed = seed;
  const auto start = std::chrono::steady_clock::now();
  for (now.call = only < 0 ? 0 : only;; ++now.call) {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (only < 0 ? elapsed.count() >= seconds : now.call > only) return now;
    random_source random(seed * 1000003 + uint64_t(now.call));
    one_turn(s, random);
  }
}

progress run_threads(const session& s, const char* mode, uint64_t seed, double seconds) {
  constexpr int count = 4;
  progress each[count], all;
  std::thread threads[count];
  for (int i = 0; i < count; ++i) {
    threads[i] = std::thread([&, i] {
      session mine = s;  // one queue that is shared, one that is not
      expect(pc_queue_create(s.device, 0, 3, &mine.queues[0]) == PC_OK, "no queue");
      expect(pc_queue_create(PC_CPU, 0, 1, &mine.cpu) == PC_OK, "no queue");
      each[i] = run(mine, mode, seed + uint64_t(i), seconds, -1);
      for (pc_queue* queue : {mine.queues[0], mine.cpu})
        expect(pc_queue_destroy(queue) == PC_OK, "a queue is not destroyed");
    });
  }
  for (int i = 0; i < count; ++i) {
    threads[i].join();
    all.call += each[i].call;
    all.refused += each[i].refused;
    all.compared += each[i].compared;
  }
  return all;
}

int run(const char* mode, uint64_t seed, double seconds, int64_t only) {
  __sanitizer_set_death_callback(tell_where);
  const pc_device device = strcmp(mode, "cuda") == 0 ? PC_CUDA : PC_CPU;
  const bool threaded = strcmp(mode, "threads") == 0;
  // A row of the emulator's may be a block of hundreds of threads.
  session s{device, threaded, device == PC_CPU ? limits{200000, 200000} : limits{20000, 64}, {}, nullptr};
  for (int i = 0; i < 2; ++i)
    expect(pc_queue_create(device, 0, i == 0 ? 1 : 4, &s.queues[i]) == PC_OK, "no queue");
  expect(pc_queue_create(PC_CPU, 0, 1, &s.cpu) == PC_OK, "no queue");
  if (device == PC_CUDA) check_slot_places();
  const progress done = threaded ? run_threads(s, mode, seed, seconds) : run(s, mode, seed, seconds, only);
  for (pc_queue* queue : {s.queues[0], s.queues[1], s.cpu})
    expect(pc_queue_destroy(queue) == PC_OK, "a queue is not destroyed");
  char build[512];
  pc_build_info(build, sizeof build);
  printf("{\"mode\":\"%s\",\"calls\":%lld,\"refused\":%lld,\"compared\":%lld,\"build\":%s}\n", mode,
         (long long)done.call, (long long)done.refused, (long long)done.compared, build);
  return 0;
}

}  // namespace
}  // namespace fuzz

int main(int count, char** words) {
  if (count < 4) return fprintf(stderr, "usage: polycom_fuzz cpu|cuda|threads SEED SECONDS [CALL]\n"), 2;
  return fuzz::run(words[1], strtoull(words[2], nullptr, 10), atof(words[3]),
                   count > 4 ? atoll(words[4]) : -1);
}
