// A block that takes a row in slots of 16 bytes, of tensors that may each be aligned differently, and sums
// over it in float, carried into double. The second time it reads a row, that lies in cache.
#pragma once
#include <type_traits>

#include "launch.cuh"
#include "packed.cuh"
#include "reduce.cuh"

namespace polycom {
namespace cuda {

constexpr int block_row_threads = 256;
constexpr int64_t block_row_blocks = 65536;
constexpr int slots_ahead = 2;     // that a thread fetches before it uses the first
constexpr int slots_a_carry = 32;  // after so many slots a thread's float sums go into its double ones

// A block a row, of enough threads for a slot each, or all. `item`: the bytes of an element.
inline launch_shape a_block_a_row(int64_t rows, int64_t cols, int64_t item) {
  const int64_t slots = divide_up(cols * item, slot_bytes);
  const int64_t threads = slots < 1 ? warp_size : divide_up(slots, warp_size) * warp_size;
  return {rows < block_row_blocks ? rows : block_row_blocks,
          threads < block_row_threads ? int(threads) : block_row_threads};
}

__device__ __forceinline__ bool is_aligned(const void* p) { return uintptr_t(p) % slot_bytes == 0; }

// A row of one tensor, or null.
template <class T>
struct slotted_row {
  static constexpr int E = slot_elements<T, true>;
  T* data;
  int64_t cols;
  bool aligned;

  __device__ __forceinline__ slotted_row(T* row, int64_t of_cols)
      : data(row), cols(of_cols), aligned(is_aligned(row)) {}

  __device__ __forceinline__ T& operator[](int64_t at) const { return data[at]; }
  // Elements past the row read as 0.
  __device__ __forceinline__ auto load(int64_t at) const {
    if (aligned) return load_slot<E>(data, at, cols);
    std::remove_const_t<T> elements[E];
#pragma unroll
    for (int i = 0; i < E; ++i) elements[i] = at + i < cols ? data[at + i] : T(0.0f);
    return pack(elements);
  }
  __device__ __forceinline__ void store(int64_t at, const packed<T, E>& slot) const {
    if (aligned) return store_slot<E>(data, at, cols, slot);
    T elements[E];
    unpack(slot, elements);
#pragma unroll
    for (int i = 0; i < E; ++i) {
      if (at + i < cols) data[at + i] = elements[i];
    }
  }
};

// Sums over a row, for every thread: add(at, fetch(at), sums) for each slot of E elements of this thread's, in D, which is
// float or double, carried into double. `slots_ahead` are fetched before the first is added, of which the last may lie
// past the row: it reads as zeros there, and must add nothing.
template <int N, int E, class Group, class D, class Fetch, class Add>
__device__ __forceinline__ void sum_slots(Group& group, int64_t cols, D (&sums)[N], Fetch fetch, Add add) {
  double total[N] = {};
  const int64_t step = int64_t(group.size()) * E;
  for (int64_t from = int64_t(group.rank()) * E; from < cols; from += step * slots_a_carry) {
    D part[N] = {};
    for (int k = 0; k < slots_a_carry; k += slots_ahead) {
      const int64_t first = from + k * step;
      if (first >= cols) break;
      decltype(fetch(first)) held[slots_ahead];
#pragma unroll
      for (int s = 0; s < slots_ahead; ++s) held[s] = fetch(first + s * step);
#pragma unroll
      for (int s = 0; s < slots_ahead; ++s) add(first + s * step, held[s], part);
    }
#pragma unroll
    for (int k = 0; k < N; ++k) total[k] += double(part[k]);
  }
#pragma unroll
  for (int k = 0; k < N; ++k) sums[k] = D(total[k]);
  group.sum(sums);
}

}  // namespace cuda
}  // namespace polycom
