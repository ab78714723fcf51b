// Clusters of blocks for the emulated CUDA: their threads run together, as those of a block do.
#pragma once
#include "cuda_runtime.h"

unsigned emulated_cluster_size();
unsigned emulated_cluster_rank();
void emulated_cluster_barrier();
// Where the block of that rank has what this block has at `address` in its dynamic shared memory.
void* emulated_shared_of(void* address, unsigned rank);

namespace cooperative_groups {

struct cluster_group {
  static unsigned num_blocks() { return emulated_cluster_size(); }
  static unsigned block_rank() { return emulated_cluster_rank(); }
  static void sync() { emulated_cluster_barrier(); }
  template <class V>
  static V* map_shared_rank(V* address, int rank) {
    return static_cast<V*>(emulated_shared_of(address, unsigned(rank)));
  }
};

}  // namespace cooperative_groups
