// Element-wise activations of matrices in rows, wherever those lie: each thread takes a few slots at a time, all of
// their loads in flight before the first is used.
#pragma once
#include "elementwise_slot.cuh"

namespace polycom {
namespace cuda {

// How many slots each row has, and what divides by that without a division,
// whose subroutine makes kernels spill.
struct slot_divisor {
  int64_t row_slots;
  uint64_t inverse;  // (2^64 - 1) / row_slots

  explicit slot_divisor(int64_t slots) : row_slots(slots), inverse(~uint64_t(0) / uint64_t(slots)) {}

  // slot / row_slots, for any slot below 2^63: the product is right or one too small.
  __device__ __forceinline__ int64_t row_of(int64_t slot) const {
    const int64_t row = int64_t(__umul64hi(uint64_t(slot), inverse));
    return slot - row * row_slots >= row_slots ? row + 1 : row;
  }
};

// Where slot number `slot` of a call lies. Past a row's end it holds nothing.
template <class T, int E>
struct slot_place {
  int64_t row, at;

  __device__ __forceinline__ slot_place(const activation_call& call, const slot_divisor& divisor,
                                        int64_t slot) {
    row = call.rows == 1 ? 0 : divisor.row_of(slot);
    row = row < call.rows ? row : call.rows - 1;
    at = (slot - row * divisor.row_slots) * E - ragged_start<T, E>(call.x.row<const T>(row));
  }
};

template <class F, class T, bool Whole>
__global__ void __launch_bounds__(elementwise_threads, 1)
    elementwise_forward_kernel(const elementwise_call<F> given, const slot_divisor divisor) {
  const activation_call& call = given;
  constexpr int E = slot_elements<T, Whole>, S = forward_slots<F>;
  using place = slot_place<T, E>;
  const auto constants = given.constants();
  const int64_t tile = int64_t(blockDim.x) * S, slots = call.rows * divisor.row_slots;
  for (int64_t first = blockIdx.x * tile + threadIdx.x; first < slots; first += gridDim.x * tile) {
    packed<T, E> x[S], up[S];
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const place p(call, divisor, first + s * int64_t(blockDim.x));
      x[s] = load_slot<E>(call.x.row<const T>(p.row), p.at, call.cols);
      if constexpr (F::takes_up) up[s] = load_slot<E>(call.up.row<const T>(p.row), p.at, call.cols);
    }
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const place p(call, divisor, first + s * int64_t(blockDim.x));
      store_slot<E>(call.out.row<T>(p.row), p.at, call.cols,
                    elementwise_forward_slot<F>(x[s], up[s], constants));
    }
  }
}

template <class F, class T, bool Whole>
__global__ void __launch_bounds__(elementwise_threads, 1)
    elementwise_backward_kernel(const elementwise_call<F> given, const slot_divisor divisor,
                                unsigned* ticket) {
  const activation_call& call = given;
  constexpr int E = slot_elements<T, Whole>, S = backward_slots<F>, N = F::sums > 0 ? F::sums : 1;
  using place = slot_place<T, E>;
  const auto constants = given.constants();
  const int64_t tile = int64_t(blockDim.x) * S, slots = call.rows * divisor.row_slots;
  double total[N] = {};
  for (int64_t first = blockIdx.x * tile + threadIdx.x; first < slots; first += gridDim.x * tile) {
    packed<T, E> x[S], up[S], dy[S];
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const place p(call, divisor, first + s * int64_t(blockDim.x));
      x[s] = load_slot<E>(call.x.row<const T>(p.row), p.at, call.cols);
      dy[s] = load_slot<E>(call.dy.row<const T>(p.row), p.at, call.cols);
      if constexpr (F::takes_up) up[s] = load_slot<E>(call.up.row<const T>(p.row), p.at, call.cols);
    }
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const place p(call, divisor, first + s * int64_t(blockDim.x));
      packed<T, E> dup;
      float sums[N] = {};
      const auto dx = elementwise_backward_slot<F>(x[s], up[s], dy[s], constants, &dup, sums);
      store_slot<E>(call.out.row<T>(p.row), p.at, call.cols, dx);
      if constexpr (F::takes_up) store_slot<E>(call.dup.row<T>(p.row), p.at, call.cols, dup);
      if constexpr (F::sums > 0) {
        if (all_finite(sums)) {
#pragma unroll
          for (int k = 0; k < N; ++k) total[k] += double(sums[k]);
        } else {
          const int64_t from = p.at < 0 ? 0 : p.at, past = p.at + E < call.cols ? p.at + E : call.cols;
          const T* const of_up = F::takes_up ? call.up.row<const T>(p.row) : nullptr;
          add_sums_in_double<F>(call.x.row<const T>(p.row), of_up, call.dy.row<const T>(p.row), from, past,
                                call.inputs, total);
        }
      }
    }
  }
  if constexpr (F::sums > 0) finish_elementwise<F>(call, total, ticket);
}

}  // namespace cuda
}  // namespace polycom
