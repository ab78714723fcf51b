// Ids sorted on CUDA, each with its place, by a bitonic network (Batcher 1968): the places make all keys differ, so that
// the order is the same each time. Every comparison leaves the lesser key at the lower index; so keys that would pad the
// list to a power of two would never move, and need not be there.
#pragma once
#include "runtime/cuda/launch.cuh"

namespace polycom {
namespace cuda {
namespace {

// An id above its place. One out of range comes last.
using sort_key = unsigned long long;

__device__ __forceinline__ int64_t id_of(sort_key key) { return int64_t(key >> 32); }
__device__ __forceinline__ int64_t place_of(sort_key key) { return int64_t(key & 0xffffffffu); }

constexpr int sort_threads = 256;
constexpr int64_t sort_block = 2048;  // keys that a block holds

__device__ __forceinline__ void order(sort_key& low, sort_key& high) {
  if (low > high) {
    const sort_key kept = low;
    low = high;
    high = kept;
  }
}

// Pair number `pair` of a step: at `distance`, or mirrored in the middle of its `2 * distance` keys.
struct pair_of_keys {
  int64_t low, high;
  __device__ __forceinline__ pair_of_keys(int64_t pair, int64_t distance, bool mirrored) {
    const int64_t first = pair / distance * (2 * distance), within = pair % distance;
    low = first + within;
    high = mirrored ? first + 2 * distance - 1 - within : low + distance;
  }
};

// The steps of `size` keys that are within a block, in shared memory: from its mirrored one, or from a quarter on.
__device__ __forceinline__ void merge_within(sort_key* keys, int64_t distance, bool mirrored) {
  for (; distance > 0; distance /= 2, mirrored = false) {
    for (int64_t pair = threadIdx.x; pair < sort_block / 2; pair += sort_threads) {
      const pair_of_keys at(pair, distance, mirrored);
      order(keys[at.low], keys[at.high]);
    }
    __syncthreads();
  }
}

// Sorts each `sort_block` keys. Makes them of the ids; or, of sorted halves, does the last steps of a merge.
template <bool Makes>
__global__ void __launch_bounds__(sort_threads, 4)
    sort_blocks_kernel(const int32_t* ids, int64_t count, int64_t rows, sort_key* keys) {
  __shared__ sort_key held[sort_block];
  for (int64_t first = int64_t(blockIdx.x) * sort_block; first < count;
       first += int64_t(gridDim.x) * sort_block) {
    for (int64_t i = threadIdx.x; i < sort_block; i += sort_threads) {
      const int64_t at = first + i;
      held[i] = ~sort_key(0);
      if (at >= count) continue;
      if constexpr (Makes) {
        const int64_t id = ids[at];
        held[i] = sort_key(id >= 0 && id < rows ? id : int64_t(0xffffffffu)) << 32 | sort_key(at);
      } else {
        held[i] = keys[at];
      }
    }
    __syncthreads();
    if constexpr (Makes) {
      for (int64_t distance = 1; distance < sort_block; distance *= 2) merge_within(held, distance, true);
    } else {
      merge_within(held, sort_block / 2, false);
    }
    for (int64_t i = threadIdx.x; i < sort_block && first + i < count; i += sort_threads)
      keys[first + i] = held[i];
    __syncthreads();
  }
}

// A step between blocks.
__global__ void __launch_bounds__(sort_threads, 4)
    sort_step_kernel(sort_key* keys, int64_t count, int64_t pairs, int64_t distance, bool mirrored) {
  for (int64_t pair = int64_t(blockIdx.x) * sort_threads + threadIdx.x; pair < pairs;
       pair += int64_t(gridDim.x) * sort_threads) {
    const pair_of_keys at(pair, distance, mirrored);
    if (at.high < count) order(keys[at.low], keys[at.high]);
  }
}

// keys: of the ids, sorted. Fewer than 2^32 of them.
inline pc_status sort_ids(pc_queue& queue, const int32_t* ids, int64_t count, int64_t rows, sort_key* keys) {
  const launch_shape blocks{divide_up(count, sort_block), sort_threads};
  if (pc_status status = launch(queue, blocks, sort_blocks_kernel<true>, ids, count, rows, keys))
    return status;
  for (int64_t half = sort_block; half < count; half *= 2) {
    const int64_t pairs = divide_up(count, 2 * half) * half;
    for (int64_t distance = half; distance >= sort_block; distance /= 2) {
      if (pc_status status = launch(queue, {divide_up(pairs, sort_threads), sort_threads}, sort_step_kernel,
                                    keys, count, pairs, distance, distance == half))
        return status;
    }
    if (pc_status status = launch(queue, blocks, sort_blocks_kernel<false>, ids, count, rows, keys))
      return status;
  }
  return PC_OK;
}

}  // namespace
}  // namespace cuda
}  // namespace polycom
