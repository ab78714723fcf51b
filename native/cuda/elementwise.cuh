// Element-wise activations in CUDA: each thread takes a few slots at a time, all of their loads in flight
// before the first is used. A formula gives fold, forward, backward, coefficient_sums and
// add_coefficient_sums (native/math).
#pragma once
#include <type_traits>

#include "launch.cuh"
#include "packed.cuh"
#include "reduce.cuh"

namespace polycom {
namespace cuda {

constexpr int elementwise_threads = 256;
// Slots of each tensor that a thread has in flight.
template <bool Gated>
constexpr int forward_slots = Gated ? 2 : 4;
constexpr int backward_slots = 2;
// Blocks of a backward pass that sums: as many on every GPU, so that the sums repeat.
constexpr int64_t most_partials = 1024;

// How many slots each row has, and what divides by that without a division, whose subroutine makes kernels
// spill.
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

template <class F>
__device__ __forceinline__ auto folded(const activation_call& call) {
  return F::template fold<float>(call.weight, call.bias == nullptr ? 0.0f : *call.bias);
}

// --- kernels ---

template <class F, class T, bool Whole, bool Gated>
__global__ void __launch_bounds__(elementwise_threads, 1)
    elementwise_forward_kernel(const activation_call call, const slot_divisor divisor) {
  constexpr int E = slot_elements<T, Whole>, S = forward_slots<Gated>;
  using place = slot_place<T, E>;
  const auto coefficients = folded<F>(call);
  const int64_t tile = int64_t(blockDim.x) * S, slots = call.rows * divisor.row_slots;
  for (int64_t first = blockIdx.x * tile + threadIdx.x; first < slots; first += gridDim.x * tile) {
    packed<T, E> x[S], up[S];
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const place p(call, divisor, first + s * int64_t(blockDim.x));
      x[s] = load_slot<E>(call.x.row<const T>(p.row), p.at, call.cols);
      if constexpr (Gated) up[s] = load_slot<E>(call.up.row<const T>(p.row), p.at, call.cols);
    }
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const place p(call, divisor, first + s * int64_t(blockDim.x));
      packed<T, E> y;
#pragma unroll
      for (int i = 0; i < E; ++i) {
        const float value = F::forward(x[s][i], coefficients);
        y.set(i, Gated ? value * up[s][i] : value);
      }
      store_slot<E>(call.out.row<T>(p.row), p.at, call.cols, y);
    }
  }
}

// A slot's share of the coefficient gradients again, in double: its sums left float's range, or an input was
// not finite.
template <class F, class T, int E, bool Gated, int N>
__device__ __forceinline__ void add_sums_in_double(const activation_call& call, const slot_place<T, E>& p,
                                                   double (&total)[N]) {
  const T *x = call.x.row<const T>(p.row), *dy = call.dy.row<const T>(p.row);
  const T* up = Gated ? call.up.row<const T>(p.row) : nullptr;
#pragma unroll 1
  for (int64_t at = p.at < 0 ? 0 : p.at; at < p.at + E && at < call.cols; ++at) {
    const double g = double(float(dy[at])) * (Gated ? double(float(up[at])) : 1.0);
    F::add_coefficient_sums(double(float(x[at])), g, total);
  }
}

template <class F, class T, bool Whole, bool Gated>
__global__ void __launch_bounds__(elementwise_threads, 1)
    elementwise_backward_kernel(const activation_call call, const slot_divisor divisor, unsigned* ticket) {
  constexpr int E = slot_elements<T, Whole>, S = backward_slots, N = F::coefficient_sums;
  using place = slot_place<T, E>;
  const auto coefficients = folded<F>(call);
  const int64_t tile = int64_t(blockDim.x) * S, slots = call.rows * divisor.row_slots;
  double total[N > 0 ? N : 1] = {};
  for (int64_t first = blockIdx.x * tile + threadIdx.x; first < slots; first += gridDim.x * tile) {
    packed<T, E> x[S], up[S], dy[S];
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const place p(call, divisor, first + s * int64_t(blockDim.x));
      x[s] = load_slot<E>(call.x.row<const T>(p.row), p.at, call.cols);
      dy[s] = load_slot<E>(call.dy.row<const T>(p.row), p.at, call.cols);
      if constexpr (Gated) up[s] = load_slot<E>(call.up.row<const T>(p.row), p.at, call.cols);
    }
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const place p(call, divisor, first + s * int64_t(blockDim.x));
      packed<T, E> dx, dup;
      float sums[N > 0 ? N : 1] = {};
#pragma unroll
      for (int i = 0; i < E; ++i) {
        const float g = Gated ? dy[s][i] * up[s][i] : dy[s][i];
        dx.set(i, F::backward(x[s][i], g, coefficients));
        if constexpr (Gated) dup.set(i, dy[s][i] * F::forward(x[s][i], coefficients));
        F::add_coefficient_sums(x[s][i], g, sums);
      }
      store_slot<E>(call.out.row<T>(p.row), p.at, call.cols, dx);
      if constexpr (Gated) store_slot<E>(call.dup.row<T>(p.row), p.at, call.cols, dup);
      if constexpr (N > 0) {
        bool finite = true;
#pragma unroll
        for (int k = 0; k < N; ++k) finite = finite && sums[k] - sums[k] == 0;
        if (finite) {
#pragma unroll
          for (int k = 0; k < N; ++k) total[k] += double(sums[k]);
        } else {
          add_sums_in_double<F, T, E, Gated>(call, p, total);
        }
      }
    }
  }
  if constexpr (N > 0) {
    using group = row_group<false, N>;
    __shared__ typename group::shared room;
    group(room).sum(total);
    if (threadIdx.x == 0) hand_in(call, blockIdx.x, total);
    __shared__ finish_room<N> finish;
    finish_coefficients(call, gridDim.x, gridDim.x, ticket, finish);
  }
}

// --- launchers ---

// A call whose matrices are each one run of memory, as a single row.
inline activation_call flattened(activation_call call) {
  if (!call.contiguous) return call;
  call.cols *= call.rows;
  call.rows = 1;
  return call;
}

// Blocks of a backward pass that sums: by the shape alone.
inline int64_t elementwise_partials(int64_t elements) {
  constexpr int64_t share = int64_t(elementwise_threads) * backward_slots * 4;
  const int64_t blocks = divide_up(elements, share);
  return blocks < most_partials ? blocks : most_partials;
}

// run(whole_tag, storage_tag) as the call's alignment and dtype ask.
template <class Run>
pc_status with_form(const activation_call& call, bool whole, Run run) {
  return with_storage(call.dtype, [&](auto storage) {
    return whole ? run(std::true_type{}, storage) : run(std::false_type{}, storage);
  });
}

// A formula's passes, in the call's storage.
template <class F, bool Gated = false>
pc_status elementwise_forward(const pc_queue& queue, const activation_call& shaped) {
  if (shaped.rows == 0 || shaped.cols == 0) return PC_OK;
  const activation_call call = flattened(shaped);
  const slot_layout layout = lay_out(call);
  const int64_t tile = int64_t(elementwise_threads) * forward_slots<Gated>;
  const int64_t blocks = divide_up(call.rows * layout.row_slots, tile);
  return with_form(call, layout.whole, [&](auto whole, auto storage) {
    const auto kernel =
        elementwise_forward_kernel<F, typename decltype(storage)::type, decltype(whole)::value, Gated>;
    return launch(queue, {blocks, elementwise_threads}, kernel, call, slot_divisor(layout.row_slots));
  });
}

template <class F, bool Gated = false>
pc_status elementwise_backward(const pc_queue& queue, const activation_call& shaped) {
  constexpr bool sums = F::coefficient_sums > 0;
  if (shaped.rows == 0 || shaped.cols == 0) return sums ? zero_coefficient_gradients(queue, shaped) : PC_OK;
  const activation_call call = flattened(shaped);
  const slot_layout layout = lay_out(call);
  const int64_t tile = int64_t(elementwise_threads) * backward_slots;
  const int64_t blocks =
      sums ? elementwise_partials(call.rows * call.cols) : divide_up(call.rows * layout.row_slots, tile);
  return with_form(call, layout.whole, [&](auto whole, auto storage) {
    const auto kernel =
        elementwise_backward_kernel<F, typename decltype(storage)::type, decltype(whole)::value, Gated>;
    return launch(queue, {blocks, elementwise_threads}, kernel, call, slot_divisor(layout.row_slots),
                  queue.tickets);
  });
}

}  // namespace cuda
}  // namespace polycom
