// The fibers and the streams behind the emulated CUDA: see cuda_runtime.h.
#include "cuda_runtime.h"

#include <ucontext.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t stack_bytes = 256 << 10;  // its frames are larger
#else
constexpr size_t stack_bytes = 64 << 10;
#endif
constexpr unsigned most_threads = 1024;

// The compiler's own setjmp and longjmp, and the compiler does not know that a jump never returns: else address
// sanitizer would look at the whole stack anew before each, by a system call.
using jump_target = void* [5];
#define set_target(target) __builtin_setjmp(target)
__attribute__((noipa, no_sanitize("address"))) void jump(jump_target& target) {
  __builtin_longjmp(target, 1);
}

// Threads that wait for each other: a warp, or a block.
struct barrier {
  unsigned members = 0, arrived = 0;
  uint64_t generation = 0;
};

struct fiber {
  std::unique_ptr<char[]> stack{new char[stack_bytes]};
  ucontext_t start;
  jump_target at;
  bool begun = false, done = false;
};

struct block_state {
  std::vector<fiber> fibers;
  barrier all;
  barrier warps[most_threads / warpSize];
  uint64_t exchange[most_threads];
  unsigned current = 0;
  jump_target scheduler;
  const void* scheduler_bottom = nullptr;
  size_t scheduler_bytes = 0;
  const std::function<void()>* thread = nullptr;
} state;
std::mutex running;
bool backwards = false;

// Address sanitizer must know which stack the thread is on. `to_fiber`: null for the scheduler's.
void leave_stack([[maybe_unused]] const fiber* to_fiber) {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = to_fiber == nullptr ? state.scheduler_bottom : to_fiber->stack.get();
  __sanitizer_start_switch_fiber(nullptr, bottom, to_fiber == nullptr ? state.scheduler_bytes : stack_bytes);
#endif
}
void enter_stack([[maybe_unused]] bool from_scheduler) {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom;
  size_t bytes;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (!from_scheduler) return;
  state.scheduler_bottom = bottom;
  state.scheduler_bytes = bytes;
#endif
}

void run_fiber() {
  enter_stack(true);
  (*state.thread)();
  fiber& self = state.fibers[state.current];
  self.done = true;
  // A thread that has returned is waited for no longer.
  for (barrier* b : {&state.all, &state.warps[state.current / warpSize]}) {
    if (--b->members > 0 && b->arrived == b->members) {
      b->arrived = 0;
      ++b->generation;
    }
  }
  leave_stack(nullptr);
  jump(state.scheduler);
}

void yield() {
  fiber& self = state.fibers[state.current];
  if (set_target(self.at) == 0) {
    leave_stack(nullptr);
    jump(state.scheduler);
  }
  enter_stack(true);
}

void wait(barrier& b) {
  if (++b.arrived == b.members) {
    b.arrived = 0;
    ++b.generation;
    return;
  }
  for (const uint64_t mine = b.generation; b.generation == mine;) yield();
}

void resume(unsigned index) {
  fiber& next = state.fibers[index];
  state.current = index;
  threadIdx = dim3(index);
  if (set_target(state.scheduler) != 0) return enter_stack(false);
  leave_stack(&next);
  if (next.begun) jump(next.at);
  next.begun = true;
  setcontext(&next.start);
}

void prepare(fiber& f) {
#if defined(__SANITIZE_ADDRESS__)
  if (f.done) ASAN_UNPOISON_MEMORY_REGION(f.stack.get(), stack_bytes);  // what the last thread's frames have left
#endif
  getcontext(&f.start);
  f.start.uc_stack.ss_sp = f.stack.get();
  f.start.uc_stack.ss_size = stack_bytes;
  f.start.uc_link = nullptr;
  makecontext(&f.start, run_fiber, 0);
  f.begun = f.done = false;
}

void run_block(unsigned threads) {
  state.all = {};
  state.all.members = threads;
  for (barrier& warp : state.warps) warp = {};
  for (unsigned i = 0; i < threads; ++i) {
    ++state.warps[i / warpSize].members;
    prepare(state.fibers[i]);
  }
  for (unsigned left = threads; left > 0;) {
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned index = backwards ? threads - 1 - i : i;
      if (state.fibers[index].done) continue;
      resume(index);
      if (state.fibers[index].done) --left;
    }
  }
}

}  // namespace

struct emulated_stream {
  std::mutex guard;
  std::condition_variable quiet;
  int callbacks = 0;
};

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new emulated_stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream == nullptr) return cudaSuccess;
  std::unique_lock<std::mutex> lock(stream->guard);
  stream->quiet.wait(lock, [&] { return stream->callbacks == 0; });
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  cudaStreamSynchronize(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data, unsigned) {
  if (stream == nullptr) return cudaErrorNotSupported;  // the default stream is not emulated that far
  const char* delay = getenv("EMULATED_CALLBACK_MS");
  const std::chrono::milliseconds wait(delay == nullptr ? 0 : atoi(delay));
  const cudaError_t status = getenv("EMULATED_FAILURE") == nullptr ? cudaSuccess : cudaErrorLaunchFailure;
  const std::lock_guard<std::mutex> lock(stream->guard);
  ++stream->callbacks;
  std::thread([=] {
    std::this_thread::sleep_for(wait);
    callback(stream, status, data);
    const std::lock_guard<std::mutex> done(stream->guard);
    if (--stream->callbacks == 0) stream->quiet.notify_all();
  }).detach();
  return cudaSuccess;
}

void __syncthreads() { wait(state.all); }
void emulated_warp_barrier() { wait(state.warps[state.current / warpSize]); }
uint64_t& emulated_exchange(unsigned lane) {
  return state.exchange[state.current / warpSize * warpSize + lane];
}

cudaError_t emulated_launch(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
  const unsigned threads = config.blockDim.x;
  if (threads == 0 || threads > most_threads || threads % warpSize != 0 || config.gridDim.x == 0) {
    return cudaErrorInvalidConfiguration;
  }
  const std::lock_guard<std::mutex> lock(running);
  if (state.fibers.size() < threads) state.fibers.resize(threads);
  state.thread = &thread;
  blockDim = config.blockDim;
  gridDim = config.gridDim;
  backwards = !backwards;
  for (unsigned i = 0; i < config.gridDim.x; ++i) {
    // The last block to finish need not be the last one of the grid.
    blockIdx = dim3(backwards ? config.gridDim.x - 1 - i : i);
    run_block(threads);
  }
  return cudaSuccess;
}
