// What the library finds in this process: four CPUs, so that its pool has threads on any machine, and an
// allocator that fails rather than ending it.
#include <sched.h>
#include <string.h>

#define SEEN_BY_ALL extern "C" __attribute__((visibility("default")))

SEEN_BY_ALL int sched_getaffinity(pid_t, size_t bytes, cpu_set_t* set) noexcept {
  memset(set, 0, bytes);
  for (size_t i = 0; i < 4; ++i) CPU_SET_S(i, bytes, set);
  return 0;
}

SEEN_BY_ALL const char* __asan_default_options() { return "allocator_may_return_null=1"; }
SEEN_BY_ALL const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
