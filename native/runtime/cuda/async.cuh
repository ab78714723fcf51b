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

// Where a block finds what the others of its cluster send: an mbarrier in its shared memory, which counts the bytes that
// have come. The barrier of a cluster would do, but it fences the whole GPU: it waits for all stores, and empties the L1.
// Every round, each thread waits, and the block expects the bytes of all senders; what was sent is seen then.
class cluster_mail {
 public:
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  // By one thread, before the cluster's blocks wait for each other.
  __device__ __forceinline__ void open() {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(place(&arrived_)) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  // By one thread, once a round.
  __device__ __forceinline__ void expect(unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(place(&arrived_)), "r"(bytes)
                 : "memory");
  }
  // Puts `value` where the block of that rank has what this block has at `to`.
  __device__ __forceinline__ void send(float* to, unsigned rank, float value) {
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];" ::"r"(
                     place(to, rank)),
                 "r"(__float_as_uint(value)), "r"(place(&arrived_, rank))
                 : "memory");
  }
  __device__ __forceinline__ void send(double* to, unsigned rank, double value) {
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b64 [%0], %1, [%2];" ::"r"(
                     place(to, rank)),
                 "l"(__double_as_longlong(value)), "r"(place(&arrived_, rank))
                 : "memory");
  }
  // `parity`: 0 in the first round, then 1, 0 .. As CUTLASS waits: at the cluster's scope it would empty the L1, where
  // nothing lies that was sent.
  __device__ __forceinline__ void wait(unsigned parity) {
    unsigned come = 0;
    while (come == 0) {
      asm volatile(
          "{\n.reg .pred p;\n"
          "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
          "selp.u32 %0, 1, 0, p;\n}"
          : "=r"(come)
          : "r"(place(&arrived_)), "r"(parity)
          : "memory");
    }
  }

 private:
  static __device__ __forceinline__ unsigned place(const void* address) {
    return unsigned(__cvta_generic_to_shared(address));
  }
  static __device__ __forceinline__ unsigned place(const void* address, unsigned rank) {
    unsigned there;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(place(address)), "r"(rank));
    return there;
  }
#else
  __device__ __forceinline__ void open() {}
  __device__ __forceinline__ void expect(unsigned) {}
  template <class V>
  __device__ __forceinline__ void send(V* to, unsigned rank, V value) {
    *block_cluster::of(to, rank) = value;
  }
  __device__ __forceinline__ void wait(unsigned) { block_cluster::sync(); }

 private:
#endif
  uint64_t arrived_;
};

}  // namespace cuda
}  // namespace polycom
