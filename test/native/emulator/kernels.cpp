// The fibers that run kernels for the emulated CUDA: see cuda_runtime.h.
#include "cooperative_groups.h"
#include "cuda_pipeline_primitives.h"
#include "cuda_runtime.h"
#include "device.h"

#include <stdio.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <mutex>
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
constexpr unsigned most_threads = 1024, most_cluster = 8;
// On both sides of a block's dynamic shared memory.
constexpr size_t canary_bytes = 64;

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

struct async_copy {
  void* to;
  const void* from;
  size_t bytes;
};

struct fiber {
  std::unique_ptr<char[]> stack{new char[stack_bytes]};
  std::vector<std::vector<async_copy>> groups;  // of copies not made yet; the last is not committed
  ucontext_t start;
  jump_target at;
  bool begun = false, done = false;
};

// The blocks of a cluster, or the one block without, one after another in all that is counted by thread.
struct cluster_state {
  std::vector<fiber> fibers;
  unsigned first_block = 0, blocks = 1;
  barrier cluster;
  barrier all[most_cluster];
  int any[most_cluster];  // what __syncthreads_or gathers
  barrier warps[most_cluster * most_threads / warpSize];
  uint64_t exchange[most_cluster * most_threads];
  std::unique_ptr<char[]> shared{new char[most_cluster * (most_shared + 2 * canary_bytes)]};
  size_t shared_bytes = 0;
  unsigned current = 0;
  jump_target scheduler;
  const void* scheduler_bottom = nullptr;
  size_t scheduler_bytes = 0;
  void (*thread)(const void* call) = nullptr;
  const void* call = nullptr;
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

// The block of the cluster that a fiber belongs to, and its shared memory.
unsigned rank_of(unsigned index) { return index / blockDim.x; }
char* shared_of(unsigned rank) {
  return state.shared.get() + rank * (most_shared + 2 * canary_bytes) + canary_bytes;
}

void run_fiber() {
  enter_stack(true);
  state.thread(state.call);
  fiber& self = state.fibers[state.current];
  self.done = true;
  // A thread that has returned is waited for no longer.
  for (barrier* b : {&state.cluster, &state.all[rank_of(state.current)], &state.warps[state.current / warpSize]}) {
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
  threadIdx = dim3(index % blockDim.x);
  blockIdx = dim3(state.first_block + rank_of(index));
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
  f.groups.assign(1, {});
}

void fill_shared(unsigned rank) {
  memset(shared_of(rank) - canary_bytes, 0xc5, state.shared_bytes + 2 * canary_bytes);
}

// A kernel that writes beyond its shared memory is a mistake that no test may pass over.
void check_canaries(unsigned rank) {
  const char* begin = shared_of(rank);
  const auto kept = [](char byte) { return byte == char(0xc5); };
  if (std::all_of(begin - canary_bytes, begin, kept) &&
      std::all_of(begin + state.shared_bytes, begin + state.shared_bytes + canary_bytes, kept))
    return;
  fprintf(stderr, "emulated CUDA: a kernel wrote beyond its dynamic shared memory\n");
  abort();
}

void run_cluster() {
  const unsigned threads = state.blocks * blockDim.x;
  state.cluster = {};
  state.cluster.members = threads;
  for (unsigned rank = 0; rank < state.blocks; ++rank) {
    state.all[rank] = {};
    state.all[rank].members = blockDim.x;
    fill_shared(rank);
  }
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
  for (unsigned rank = 0; rank < state.blocks; ++rank) check_canaries(rank);
}

}  // namespace

void* emulated_dynamic_shared() { return shared_of(rank_of(state.current)); }
unsigned emulated_cluster_size() { return state.blocks; }
unsigned emulated_cluster_rank() { return rank_of(state.current); }
void emulated_cluster_barrier() { wait(state.cluster); }
void* emulated_shared_of(void* address, unsigned rank) {
  return shared_of(rank) + (static_cast<char*>(address) - shared_of(rank_of(state.current)));
}

void __pipeline_memcpy_async(void* to_shared, const void* from, size_t bytes) {
  state.fibers[state.current].groups.back().push_back({to_shared, from, bytes});
}
void __pipeline_commit() { state.fibers[state.current].groups.emplace_back(); }
void __pipeline_wait_prior(size_t pending) {
  auto& groups = state.fibers[state.current].groups;
  while (groups.size() > pending + 1) {
    for (const async_copy& copy : groups.front()) memcpy(copy.to, copy.from, copy.bytes);
    groups.erase(groups.begin());
  }
}

void __syncthreads() { wait(state.all[rank_of(state.current)]); }
int __syncthreads_or(int says) {
  int& any = state.any[rank_of(state.current)];
  __syncthreads();  // the last one's answer has been read
  any = 0;
  __syncthreads();
  any |= says;
  __syncthreads();
  return any;
}
void emulated_warp_barrier() { wait(state.warps[state.current / warpSize]); }
uint64_t& emulated_exchange(unsigned lane) {
  return state.exchange[state.current / warpSize * warpSize + lane];
}

void run_grid(const emulated_grid& grid, const void* call) {
  const std::lock_guard<std::mutex> lock(running);
  const size_t fibers = size_t(grid.threads.x) * grid.cluster;
  if (state.fibers.size() < fibers) state.fibers.resize(fibers);
  state.thread = grid.thread;
  state.call = call;
  state.blocks = grid.cluster;
  state.shared_bytes = grid.shared_bytes;
  blockDim = grid.threads;
  gridDim = grid.blocks;
  backwards = !backwards;
  for (unsigned i = 0; i < grid.blocks.x; i += grid.cluster) {
    // The last block to finish need not be the last one of the grid.
    state.first_block = backwards ? grid.blocks.x - grid.cluster - i : i;
    run_cluster();
  }
}
