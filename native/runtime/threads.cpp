#include "threads.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace polycom {
namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Workers sleep on a condition variable, after a short spin that catches the next op of a model's step.
constexpr int spins = 4000;

class pool {
 public:
  // With as many of `workers` threads as the system lets this process have.
  explicit pool(int workers) {
    try {
      for (; workers_ < workers; ++workers_) std::thread([this, i = workers_] { work(i); }).detach();
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
  }

  void run(int64_t count, int32_t threads, void (*body)(void*, int64_t), void* context) {
    const int helpers = int(std::min<int64_t>({int64_t(threads) - 1, workers_, count - 1}));
    std::unique_lock<std::mutex> only(running_, std::try_to_lock);
    if (helpers <= 0 || !only.owns_lock()) {
      for (int64_t i = 0; i < count; ++i) body(context, i);
      return;
    }
    body_ = body;
    context_ = context;
    count_ = count;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(helpers, std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> lock(sleep_);
      helpers_ = helpers;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    take_all();
    for (int spin = 0; busy_.load(std::memory_order_acquire) != 0;) {
      if (++spin < spins) {
        relax();
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  void take_all() {
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) body_(context_, i);
  }

  // Waits for a generation other than `seen`; says whether worker `index` has a part in it.
  bool wait(int index, uint64_t& seen) {
    for (int spin = 0; spin < spins && generation_.load(std::memory_order_acquire) == seen; ++spin) relax();
    std::unique_lock<std::mutex> lock(sleep_);
    wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
    seen = generation_.load(std::memory_order_relaxed);
    return index < helpers_;
  }

  void work(int index) {
    uint64_t seen = 0;
    for (;;) {
      if (!wait(index, seen)) continue;
      take_all();
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::mutex running_;  // held by the caller whose job this is
  std::mutex sleep_;    // guards helpers_ and generation_ against a lost wake-up
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int64_t> next_{0};
  std::atomic<int> busy_{0};
  int workers_ = 0;
  int helpers_ = 0;
  int64_t count_ = 0;
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
};

// Never destroyed: its threads outlive every static destructor.
std::atomic<pool*> the_pool{nullptr};
std::atomic_flag making = ATOMIC_FLAG_INIT;

// A forked child has none of its parent's threads: it leaves their pool be, and makes one of its own.
void forget_pool() {
  the_pool.store(nullptr);
  making.clear();
}

// Null while another thread makes it, and where there is no memory for one.
pool* find_pool() {
  pool* found = the_pool.load(std::memory_order_acquire);
  if (found != nullptr || making.test_and_set()) return found;
  static std::atomic_flag handled = ATOMIC_FLAG_INIT;
  if (!handled.test_and_set()) pthread_atfork(nullptr, nullptr, forget_pool);
  found = new (std::nothrow) pool(pool_threads() - 1);
  the_pool.store(found, std::memory_order_release);
  return found;
}

}  // namespace

static int32_t usable_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  const unsigned n = std::thread::hardware_concurrency();
  return n == 0 ? 1 : int32_t(n);
}

int32_t available_cpus() {
  const char* asked = getenv("POLYCOM_THREADS");
  const int most = asked == nullptr ? 0 : atoi(asked);
  const int32_t usable = usable_cpus();
  return most > 0 ? std::min<int32_t>(most, usable) : usable;
}

int32_t pool_threads() {
  static const int32_t once = available_cpus();
  return once;
}

void parallel_for(int64_t count, int32_t threads, void (*body)(void*, int64_t), void* context) {
  pool* const shared = count <= 1 || threads <= 1 ? nullptr : find_pool();
  if (shared != nullptr) return shared->run(count, threads, body, context);
  for (int64_t i = 0; i < count; ++i) body(context, i);
}

}  // namespace polycom
