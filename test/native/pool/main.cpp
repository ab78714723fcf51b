// The thread pool where a process cannot have what it asks for. Not under a sanitizer: those have locks of
// their own that a fork leaves shut.
//
//   pool fork      forks while threads are in the library: the children must find it working
//   pool starved   no thread can be started: the caller must do the work alone
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "polycom.h"

namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "pool: %s\n", what);
  _exit(1);
}

// An op that is long enough to be shared between threads.
class shared_op {
 public:
  shared_op() : x_(500000, 3), y_(x_.size()) {
    block_.args.size = sizeof block_;
    block_.args.n_inputs = block_.args.n_outputs = 1;
    block_.args.n_scalars = 1;  // no soft cap
    for (int i = 0; i < 2; ++i) {
      block_.tensors[i].data = (i == 0 ? x_ : y_).data();
      block_.tensors[i].rank = 1;
      block_.tensors[i].shape[0] = int64_t(x_.size());
      block_.tensors[i].strides[0] = 1;
    }
  }

  void run(pc_queue* queue) {
    std::fill(y_.begin(), y_.end(), 0.0f);
    expect(pc_relu2_forward(queue, &block_.args) == PC_OK, "a valid call fails");
    expect(std::all_of(y_.begin(), y_.end(), [](float v) { return v == 9; }), "relu2 is wrong");
  }

 private:
  std::vector<float> x_, y_;
  struct {
    pc_args args;
    pc_tensor tensors[2];
  } block_{};
};

void allocate_and_free(pc_queue* queue) {
  void* memory = nullptr;
  expect(pc_memory_allocate(queue, 100, &memory) == PC_OK, "no memory");
  expect(pc_memory_free(memory) == PC_OK, "memory is not freed");
}

void fork_at_work(pc_queue* queue) {
  std::atomic<bool> stop{false};
  const auto repeat = [&](auto work) {
    return std::thread([&stop, work] {
      while (!stop) work();
    });
  };
  shared_op mine, another;
  std::thread threads[] = {repeat([&] { another.run(queue); }), repeat([=] { allocate_and_free(queue); })};
  for (int i = 0; i < 50; ++i) {
    if (i % 2 == 0) mine.run(queue);
    const pid_t child = fork();
    expect(child >= 0, "cannot fork");
    if (child == 0) {
      alarm(20);
      for (int j = 0; j < 3; ++j) mine.run(queue);
      allocate_and_free(queue);
      _exit(0);
    }
    int status = -1;
    expect(waitpid(child, &status, 0) == child, "the child is lost");
    if (WIFSIGNALED(status)) expect(false, WTERMSIG(status) == SIGALRM ? "a child hangs" : "a child crashes");
    expect(status == 0, "a child fails");
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

void run_starved(pc_queue* queue) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, size_t(1) << 46);
  expect(pthread_setattr_default_np(&attributes) == 0, "cannot ask for large stacks");
  try {
    std::thread([] {}).join();
    expect(false, "a thread was started after all");
  } catch (const std::system_error&) {
  }
  shared_op().run(queue);
}

}  // namespace

int main(int count, char** words) {
  pc_queue* queue = nullptr;
  expect(pc_queue_create(PC_CPU, 0, 4, &queue) == PC_OK, "no queue");
  if (count == 2 && strcmp(words[1], "fork") == 0)
    fork_at_work(queue);
  else if (count == 2 && strcmp(words[1], "starved") == 0)
    run_starved(queue);
  else
    return 2;
  return 0;
}
