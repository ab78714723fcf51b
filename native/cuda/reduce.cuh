// Sums over the threads of a row and over the blocks of a grid, each in an order that the shape fixes.
#pragma once
#include <cuda_runtime.h>

#include "core/activation.h"

namespace polycom {
namespace cuda {

constexpr int warp_size = 32;
constexpr int most_warps = 32;

template <int N, class V>
__device__ __forceinline__ void warp_sum(V (&values)[N]) {
#pragma unroll
  for (int distance = warp_size / 2; distance > 0; distance /= 2) {
#pragma unroll
    for (int k = 0; k < N; ++k) values[k] += __shfl_xor_sync(0xffffffffu, values[k], distance);
  }
}

__device__ __forceinline__ float warp_largest(float value) {
#pragma unroll
  for (int distance = warp_size / 2; distance > 0; distance /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, value, distance);
    value = other > value ? other : value;
  }
  return value;
}

// The threads that share a row: a warp (several rows to a block, and no barrier), or the whole block, of so
// many warps at most.
template <bool Warp, int N, int Warps = most_warps>
class row_group {
 public:
  // Room for two sums at a time: a thread may begin the next while another still reads the last.
  struct shared {
    double slots[Warp ? 1 : 2][Warp ? 1 : N][Warps];
  };

  __device__ explicit row_group(shared& room) : room_(room) {}

  __device__ int rank() const { return Warp ? int(threadIdx.x) % warp_size : int(threadIdx.x); }
  __device__ int size() const { return Warp ? warp_size : int(blockDim.x); }
  __device__ int index() const { return Warp ? int(threadIdx.x) / warp_size : 0; }
  __device__ int count() const { return Warp ? int(blockDim.x) / warp_size : 1; }

  // Each of `values` summed over the group; every thread gets the sums.
  template <int M, class V>
  __device__ __forceinline__ void sum(V (&values)[M]) {
    static_assert(M <= N, "the shared room is for N sums");
    warp_sum(values);
    if constexpr (!Warp) {
      const int warp = int(threadIdx.x) / warp_size, lane = int(threadIdx.x) % warp_size;
      const int warps = int(blockDim.x) / warp_size;
      auto* slots = reinterpret_cast<V(*)[Warps]>(room_.slots[turn_]);
      if (lane == 0) {
#pragma unroll
        for (int k = 0; k < M; ++k) slots[k][warp] = values[k];
      }
      __syncthreads();
#pragma unroll
      for (int k = 0; k < M; ++k) values[k] = lane < warps ? slots[k][lane] : V(0);
      warp_sum(values);
      turn_ ^= 1;
    }
  }

  // The largest of `value` in the group, for every thread. A NaN may be overlooked.
  __device__ __forceinline__ float largest(float value) {
    value = warp_largest(value);
    if constexpr (!Warp) {
      const int warp = int(threadIdx.x) / warp_size, lane = int(threadIdx.x) % warp_size;
      const int warps = int(blockDim.x) / warp_size;
      auto* slots = reinterpret_cast<float*>(room_.slots[turn_]);
      if (lane == 0) slots[warp] = value;
      __syncthreads();
      value = warp_largest(slots[lane < warps ? lane : 0]);
      turn_ ^= 1;
    }
    return value;
  }

 private:
  shared& room_;
  int turn_ = 0;
};

// Chunk number `chunk` of a call has these coefficient gradients, bias first. For one thread.
template <int N>
__device__ __forceinline__ void hand_in(const activation_call& call, int64_t chunk, const double (&sums)[N]) {
#pragma unroll
  for (int p = 0; p < N; ++p) call.partials[chunk * N + p] = sums[p];
}

template <int N, int Warps = most_warps>
struct finish_room {
  bool is_last;
  double sums[N][Warps];
};

// The last of `members` blocks to come here adds up what was handed in, by each block's first thread, in the
// order of the chunks. `ticket` is 0 before and after.
template <int N, int Warps>
__device__ void finish_coefficients(const activation_call& call, int64_t chunks, unsigned members,
                                    unsigned* ticket, finish_room<N, Warps>& room) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    room.is_last = atomicInc(ticket, members - 1) == members - 1;
  }
  __syncthreads();
  if (!room.is_last) return;
  __threadfence();
  double total[N] = {};
  for (int64_t chunk = threadIdx.x; chunk < chunks; chunk += blockDim.x) {
#pragma unroll
    for (int p = 0; p < N; ++p) total[p] += __ldcg(&call.partials[chunk * N + p]);
  }
  warp_sum(total);
  if (threadIdx.x % warp_size == 0) {
#pragma unroll
    for (int p = 0; p < N; ++p) room.sums[p][threadIdx.x / warp_size] = total[p];
  }
  __syncthreads();
  if (threadIdx.x >= N) return;
  double sum = 0;
  for (unsigned warp = 0; warp < blockDim.x / warp_size; ++warp) sum += room.sums[threadIdx.x][warp];
  if (threadIdx.x == 0) {
    call.dbias[0] = float(sum);
  } else {
    call.dweight[N - 1 - int(threadIdx.x)] = float(sum);
  }
}

}  // namespace cuda
}  // namespace polycom
