// What kernels over shared memory use of newer GPUs: copies that run by themselves, and clusters of blocks
// that read each other's shared memory. Where a GPU has no clusters, every block is one of its own.
#pragma once
#include <cooperative_groups.h>
#include <cuda_pipeline_primitives.h>
#include <cuda_runtime.h>

#include "packed.cuh"

namespace polycom {
namespace cuda {

// The memory that a launch gives each block, aligned to 16 bytes.
__device__ __forceinline__ void* dynamic_shared() {
#if defined(__CUDACC__)
  extern __shared__ uint4 memory[];
  return memory;
#else
  return emulated_dynamic_shared();
#endif
}

// Waits for all but the newest `pending` groups of this thread's copies, which are at most three.
__device__ __forceinline__ void wait_for_copies(int pending) {
  if (pending <= 0) {
    __pipeline_wait_prior(0);
  } else if (pending == 1) {
    __pipeline_wait_prior(1);
  } else if (pending == 2) {
    __pipeline_wait_prior(2);
  } else {
    __pipeline_wait_prior(3);
  }
  // The wait is no barrier to the compiler, which else might read what was copied before it.
  asm volatile("" ::: "memory");
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
struct block_cluster {
  __device__ __forceinline__ static unsigned size() {
    return cooperative_groups::cluster_group::num_blocks();
  }
  __device__ __forceinline__ static unsigned rank() {
    return cooperative_groups::cluster_group::block_rank();
  }
  // Waits for every thread of the cluster; what they wrote to shared memory is seen afterwards.
  __device__ __forceinline__ static void sync() { cooperative_groups::cluster_group::sync(); }
  // Where the block of that rank has what this block has at `address`.
  template <class V>
  __device__ __forceinline__ static V* of(V* address, unsigned rank) {
    return cooperative_groups::cluster_group::map_shared_rank(address, int(rank));
  }
};
#else
struct block_cluster {
  __device__ __forceinline__ static unsigned size() { return 1; }
  __device__ __forceinline__ static unsigned rank() { return 0; }
  __device__ __forceinline__ static void sync() {}
  template <class V>
  __device__ __forceinline__ static V* of(V* address, unsigned) {
    return address;
  }
};
#endif

}  // namespace cuda
}  // namespace polycom
