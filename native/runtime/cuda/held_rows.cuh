// Rows that wait in registers between their sums and what is made of these: read once. A row of few slots is shared by
// lanes of a warp, so that a block has many; others by a block. All rows are of whole slots.
#pragma once
#include "launch.cuh"
#include "packed.cuh"
#include "reduce.cuh"

namespace polycom {
namespace cuda {

constexpr int held_slots = 4;  // of each tensor, that a thread holds at most
constexpr int held_narrow_threads = 128, held_threads = 512;
constexpr int64_t held_cols = 8192;

// How rows are shared: `lanes` threads hold a row, which are all of a block's where they are more than a warp.
struct held_plan {
  int lanes, slots, threads;

  bool holds() const { return lanes > 0; }
  int rows_a_block() const { return threads / lanes; }
};

// Of rows of whole slots of E elements. Two slots to a lane, where there are lanes: what is done once a row costs less.
template <int E>
held_plan hold_rows(int64_t cols) {
  if (cols > held_cols) return {0, 0, 0};
  const int64_t row_slots = cols / E;
  if (row_slots <= warp_size * held_slots) {
    int lanes = 1;
    while (lanes < warp_size && lanes * 2 < row_slots) lanes *= 2;
    return {lanes, int(divide_up(row_slots, lanes)), held_narrow_threads};
  }
  const int64_t lanes = divide_up(row_slots, warp_size * held_slots) * warp_size;
  static_assert(held_cols / E <= held_threads * held_slots, "a block holds a row");
  return {int(lanes), int(divide_up(row_slots, lanes)), int(lanes)};
}

// The threads that hold a row, which sum up to N values at a time.
template <int N>
class row_lanes {
 public:
  // Room for two sums at a time: a thread may begin the next while another still reads the last.
  struct shared {
    double slots[2][N][held_threads / warp_size];
  };

  __device__ row_lanes(shared& room, int lanes) : room_(room), lanes_(lanes) {}

  __device__ int rank() const { return int(threadIdx.x) & in_lanes(); }
  __device__ int size() const { return lanes_; }
  __device__ int index() const { return lanes_ > warp_size ? 0 : int(threadIdx.x) / lanes_; }
  __device__ int count() const { return lanes_ > warp_size ? 1 : int(blockDim.x) / lanes_; }

  // Whether it is so for any row of the warp, which all of it then do alike.
  __device__ __forceinline__ bool any(bool of_row) const { return __any_sync(0xffffffffu, of_row); }

  // Each of `values` summed over the row; each of its threads gets the sums.
  template <class V>
  __device__ __forceinline__ void sum(V (&values)[N]) {
#pragma unroll
    for (int distance = warp_size / 2; distance > 0; distance /= 2) {
      if (distance >= lanes_) continue;
#pragma unroll
      for (int k = 0; k < N; ++k) values[k] += __shfl_xor_sync(0xffffffffu, values[k], distance);
    }
    if (lanes_ <= warp_size) return;
    auto* slots = reinterpret_cast<V(*)[held_threads / warp_size]>(room_.slots[turn_]);
    if (threadIdx.x % warp_size == 0) {
#pragma unroll
      for (int k = 0; k < N; ++k) slots[k][threadIdx.x / warp_size] = values[k];
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < N; ++k) {
      values[k] = slots[k][0];
#pragma unroll 1
      for (int warp = 1; warp < lanes_ / warp_size; ++warp) values[k] += slots[k][warp];
    }
    turn_ ^= 1;
  }

 private:
  // A power of two, or all of the block.
  __device__ int in_lanes() const { return lanes_ > warp_size ? ~0 : lanes_ - 1; }

  shared& room_;
  int lanes_, turn_ = 0;
};

}  // namespace cuda
}  // namespace polycom
