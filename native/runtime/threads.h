// The process's one thread pool.
#pragma once
#include <stdint.h>

namespace polycom {

// How many CPUs this process may use; at most POLYCOM_THREADS, where the environment has it.
int32_t available_cpus();

// The most threads that parallel_for ever uses, its caller among them: the same as long as the process lives.
int32_t pool_threads();

// Calls body(context, i) for every i in [0, count), on at most `threads` threads, this one among them;
// returns when all are done. Which thread does which i is not fixed: a body writes only what belongs to its
// i. While another thread of the process is inside, and where the system gives no threads, the caller does
// all of its own work itself. A forked child gets a pool of its own.
void parallel_for(int64_t count, int32_t threads, void (*body)(void* context, int64_t i), void* context);

}  // namespace polycom
