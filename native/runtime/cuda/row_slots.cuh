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

// The threads of a block, which sum one value at a time.
using group_of_row = row_group<false, 1>;

// A block a row, of enough threads for a slot each, or all. `item`: the bytes of an element.
inline launch_shape a_block_a_row(int64_t rows, int64_t cols, int64_t item) {
  const int64_t slots = divide_up(cols * item, slot_bytes);
  const int64_t threads = slots < 1 ? warp_size : divide_up(slots, warp_size) * warp_size;
  return {rows < block_row_blocks ? rows : block_row_blocks,
          threads < block_row_threads ? int(threads) : block_row_threads};
}

// A row of one tensor, or null, in slots of so many elements.
template <class T, int Elements = slot_elements<T, true>>
struct slotted_row {
  static constexpr int E = Elements;
  T* data;
  int64_t cols;
  bool aligned;

  __device__ __forceinline__ slotted_row(T* row, int64_t of_cols)
      : data(row), cols(of_cols), aligned(uintptr_t(row) % (E * sizeof(T)) == 0) {}

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

// A parameter's row, which is f32 whatever the storage, as slots of E elements of that.
struct parameter_row {
  slotted_row<const float> row;

  __device__ __forceinline__ parameter_row(const float* data, int64_t cols) : row(data, cols) {}

  template <int E>
  __device__ __forceinline__ void load(int64_t at, float (&values)[E]) const {
    constexpr int each = slotted_row<const float>::E;
#pragma unroll
    for (int k = 0; k < E; k += each) {
      const auto slot = row.load(at + k);
#pragma unroll
      for (int i = 0; i < each; ++i) values[k + i] = slot[i];
    }
  }
};

// E floats, which lie as slots do where they fill any.
template <int E>
__device__ __forceinline__ void load_floats(const float* from, float (&values)[E]) {
  constexpr int each = E % slot_elements<float, true> == 0 ? slot_elements<float, true> : 1;
#pragma unroll
  for (int k = 0; k < E; k += each) {
    const auto slot = load_whole(reinterpret_cast<const packed<float, each>*>(from + k));
#pragma unroll
    for (int i = 0; i < each; ++i) values[k + i] = slot[i];
  }
}

// body(at) for each slot of E elements of this thread's.
template <int E, class Group, class Body>
__device__ __forceinline__ void for_each_slot(const Group& group, int64_t cols, Body body) {
  for (int64_t at = int64_t(group.rank()) * E; at < cols; at += int64_t(group.size()) * E) body(at);
}

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
