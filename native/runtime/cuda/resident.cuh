// How many blocks of a kernel a device holds at once: what a persistent grid has.
#pragma once
#include "launch.cuh"

namespace polycom {
namespace cuda {

// Clusters (or, without, blocks) of the kernel that the queue's device holds at once; 1 or more. Lets the
// kernel have the shared memory that the launch needs. Asks the runtime once for each kernel and launch.
pc_status resident_clusters(const pc_queue& queue, const void* kernel, const launch_shape& shape,
                            int64_t* clusters);

// Of so many clusters at most, as many as give each the same number of `units` of work, but for one.
inline int64_t balanced(int64_t units, int64_t clusters) {
  return units <= clusters ? units : divide_up(units, divide_up(units, clusters));
}

}  // namespace cuda
}  // namespace polycom
