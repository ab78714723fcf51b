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

// How rows are shared: 2^shift threads hold a row, which are lanes of a warp; or all threads of a block.
struct held_plan {
  int shift, slots, threads;
  int rows;  // of a block at a time; 0 where rows are not held
};
constexpr int shift_of_block = 10;  // a block's threads are no more than that

// Of rows of whole slots of E elements. Two slots to a lane, where there are lanes: what is done once a row costs less.
template <int E>
held_plan hold_rows(int64_t cols) {
  if (cols > held_cols) return {0, 0, 0, 0};
  const int64_t row_slots = cols / E;
  if (row_slots <= warp_size * held_slots) {
    int shift = 0;
    while (1 << shift < warp_size && 2 << shift < row_slots) ++shift;
    return {shift, int(divide_up(row_slots, 1 << shift)), held_narrow_threads, held_narrow_threads >> shift};
  }
  const int64_t threads = divide_up(row_slots, warp_size * held_slots) * warp_size;
  static_assert(held_cols / E <= held_threads * held_slots, "a block holds a row");
  return {shift_of_block, int(divide_up(row_slots, threads)), int(threads), 1};
}

// The threads that hold a row, which sum up to N values at a time.
template <int N>
class row_lanes {
 public:
  // Room for two sums at a time: a thread may begin the next while another still reads the last.
  struct shared {
    double slots[2][N][held_threads / warp_size];
  };

  __device__ row_lanes(shared& room, const held_plan& plan) : room_(room), plan_(plan) {}

  __device__ int rank() const { return int(threadIdx.x) & ((1 << plan_.shift) - 1); }
  __device__ int size() const { return is_block() ? int(blockDim.x) : 1 << plan_.shift; }
  __device__ int index() const { return int(threadIdx.x) >> plan_.shift; }
  __device__ int count() const { return plan_.rows; }

  // Whether it is so for any row of the warp, which all of it then do alike.
  __device__ __forceinline__ bool any(bool of_row) const { return __any_sync(0xffffffffu, of_row); }

  // Each of `values` summed over the row; each of its threads gets the sums.
  template <class V>
  __device__ __forceinline__ void sum(V (&values)[N]) {
#pragma unroll
    for (int distance = warp_size / 2; distance > 0; distance /= 2) {
      if (distance >> plan_.shift > 0) continue;
#pragma unroll
      for (int k = 0; k < N; ++k) values[k] += __shfl_xor_sync(0xffffffffu, values[k], distance);
    }
    if (!is_block()) return;
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
      for (int warp = 1; warp < int(blockDim.x) / warp_size; ++warp) values[k] += slots[k][warp];
    }
    turn_ ^= 1;
  }

 private:
  __device__ bool is_block() const { return plan_.shift == shift_of_block; }

  shared& room_;
  const held_plan& plan_;
  int turn_ = 0;
};

}  // namespace cuda
}  // namespace polycom
