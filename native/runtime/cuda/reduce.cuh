// Sums over the threads of a row and over the blocks of a grid, each in an order that the shape fixes.
#pragma once
#include <cuda_runtime.h>
#include <limits.h>

#include "activations/activation.h"

namespace polycom {
namespace cuda {

constexpr int warp_size = 32;
constexpr int most_warps = 32;

// How many lanes of a warp hold each of N sums, which is what spread_sum leaves: lane i has sum number
// i / lanes_of_sum<N>.
template <int N>
constexpr int lanes_of_sum = lanes_of_sum<(N + 1) / 2> / 2;
template <>
constexpr int lanes_of_sum<1> = warp_size;

// The lanes at each distance from `Half` times `Lanes` down give half of their sums away and take the others.
template <int Half, int Lanes, class V>
__device__ __forceinline__ void halve(V* held) {
  if constexpr (Half > 0) {
    const bool upper = int(threadIdx.x) & Half * Lanes;
#pragma unroll
    for (int k = 0; k < Half; ++k) {
      const V kept = upper ? held[k + Half] : held[k], given = upper ? held[k] : held[k + Half];
      held[k] = kept + __shfl_xor_sync(0xffffffffu, given, Half * Lanes);
    }
    halve<Half / 2, Lanes>(held);
  }
}

// Each of `values` summed over the warp; gives a lane's own of the sums. It takes a few shuffles more than one sum does,
// where a butterfly of each takes N times as many; the additions are the same.
template <int N, class V>
__device__ __forceinline__ V spread_sum(const V (&values)[N]) {
  constexpr int lanes = lanes_of_sum<N>, most = warp_size / lanes;
  V held[most] = {};
#pragma unroll
  for (int k = 0; k < N; ++k) held[k] = values[k];
  halve<most / 2, lanes>(held);
#pragma unroll
  for (int distance = lanes / 2; distance > 0; distance /= 2)
    held[0] += __shfl_xor_sync(0xffffffffu, held[0], distance);
  return held[0];
}

// The lanes' sums, for every lane.
template <int N, class V>
__device__ __forceinline__ void collect(V mine, V (&values)[N]) {
  values[0] = mine;
  if constexpr (N > 1) {
#pragma unroll
    for (int k = 0; k < N; ++k) values[k] = __shfl_sync(0xffffffffu, mine, k * lanes_of_sum<N>);
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

// The threads that share a row: the whole block, of so many warps at most; or some lanes of a warp, a power of two of
// them, beside those of other rows, and no barrier. All lanes of a warp sum at once, and none may be missing.
template <bool Warp, int N, int Warps = most_warps>
class row_group {
 public:
  // Room for two sums at a time: a thread may begin the next while another still reads the last.
  struct shared {
    double slots[Warp ? 1 : 2][Warp ? 1 : N][Warps];
  };

  __device__ explicit row_group(shared& room, int lanes = warp_size)
      : room_(room),
        size_(Warp ? lanes : int(blockDim.x)),
        rank_(Warp ? int(threadIdx.x) % lanes : int(threadIdx.x)) {}

  __device__ int rank() const { return rank_; }
  __device__ int size() const { return size_; }
  // Which of the block's groups this is, of how many, and which of its warp's.
  __device__ int index() const { return Warp ? int(threadIdx.x) / size_ : 0; }
  __device__ int count() const { return Warp ? int(blockDim.x) / size_ : 1; }
  __device__ int index_in_warp() const { return Warp ? int(threadIdx.x) % warp_size / size_ : 0; }

  // Whether a group that shares this one's warp, or it itself, says so. A block's threads say the same.
  __device__ __forceinline__ bool any(bool one) const {
    return Warp ? __any_sync(0xffffffffu, one) != 0 : one;
  }
  // Whether this group takes part in what follows; else it has only its lanes in the sums, and a rank behind every row.
  __device__ __forceinline__ void take_part(bool takes) {
    if (Warp) rank_ = takes ? int(threadIdx.x) % size_ : INT_MAX;
  }

  // Each of `values` summed over the group; every thread gets the sums.
  template <int M, class V>
  __device__ __forceinline__ void sum(V (&values)[M]) {
    static_assert(M <= N, "the shared room is for N sums");
    if (Warp && size_ < warp_size) {
#pragma unroll 1
      for (int distance = size_ / 2; distance > 0; distance /= 2) {
#pragma unroll
        for (int k = 0; k < M; ++k) values[k] += __shfl_xor_sync(0xffffffffu, values[k], distance);
      }
      return;
    }
    V mine = spread_sum(values);
    if constexpr (!Warp) {
      constexpr int lanes = lanes_of_sum<M>;
      const int warp = int(threadIdx.x) / warp_size, lane = int(threadIdx.x) % warp_size;
      const int warps = int(blockDim.x) / warp_size, own = lane / lanes;
      auto* slots = reinterpret_cast<V(*)[Warps]>(room_.slots[turn_]);
      if (lane % lanes == 0 && own < M) slots[own][warp] = mine;
      __syncthreads();
      const V* parts = &slots[own < M ? own : 0][lane % lanes];
      mine = V(0);
#pragma unroll
      for (int w = 0; w < Warps; w += lanes) {
        if (w + lane % lanes < warps) mine += parts[w];
      }
#pragma unroll
      for (int distance = lanes / 2; distance > 0; distance /= 2)
        mine += __shfl_xor_sync(0xffffffffu, mine, distance);
      turn_ ^= 1;
    }
    collect(mine, values);
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
  int size_, rank_, turn_ = 0;
};

// Chunk number `chunk` of a call has these sums, of which its parameters' gradients are made. For one thread.
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
// order of the chunks, and makes the gradients of F's parameters of it. `ticket` is 0 before and after.
template <class F, int N, int Warps>
__device__ void finish_sums(const activation_call& call, int64_t chunks, unsigned members, unsigned* ticket,
                            finish_room<N, Warps>& room) {
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
  const double mine = spread_sum(total);
  const int own = int(threadIdx.x) % warp_size / lanes_of_sum<N>;
  if (threadIdx.x % lanes_of_sum<N> == 0 && own < N) room.sums[own][threadIdx.x / warp_size] = mine;
  __syncthreads();
  if (threadIdx.x >= N) return;
  double sum = 0;
  for (unsigned warp = 0; warp < blockDim.x / warp_size; ++warp) sum += room.sums[threadIdx.x][warp];
  F::finish(int(threadIdx.x), sum, call.inputs, call.gradients);
}

}  // namespace cuda
}  // namespace polycom
