// Element-wise activations in CUDA: each thread takes a few slots at a time, all of their loads in flight
// before the first is used. A formula gives fold, forward, backward, coefficient_sums and
// add_coefficient_sums (native/math).
#pragma once
#include "launch.cuh"
#include "packed.cuh"
#include "reduce.cuh"

namespace polycom {
namespace cuda {

constexpr int elementwise_threads = 256;
constexpr int forward_slots = 4;   // 64 bytes a thread in flight
constexpr int backward_slots = 2;  // of x and of dy
// Blocks of a backward pass that sums: as many on every GPU, so that the sums repeat.
constexpr int64_t most_partials = 1024;

// Where slot number `slot` of a call lies. Past a row's end it holds nothing.
template <class T, int E>
struct slot_place {
  int64_t row, at;

  __device__ __forceinline__ slot_place(const activation_call& call, int64_t row_slots, int64_t slot) {
    row = call.rows == 1         ? 0
          : slot <= int64_t(~0u) ? int64_t(unsigned(slot) / unsigned(row_slots))
                                 : slot / row_slots;
    row = row < call.rows ? row : call.rows - 1;
    at = (slot - row * row_slots) * E - ragged_start<T, E>(call.x.row<const T>(row));
  }
};

template <class F>
__device__ __forceinline__ auto folded(const activation_call& call) {
  return F::template fold<float>(call.weight, call.bias == nullptr ? 0.0f : *call.bias);
}

// --- kernels ---

template <class F, class T, bool Whole>
__global__ void __launch_bounds__(elementwise_threads)
    elementwise_forward_kernel(const activation_call call, const int64_t row_slots) {
  constexpr int E = slot_elements<T, Whole>;
  using place = slot_place<T, E>;
  const auto coefficients = folded<F>(call);
  const int64_t tile = int64_t(blockDim.x) * forward_slots, slots = call.rows * row_slots;
  for (int64_t first = blockIdx.x * tile + threadIdx.x; first < slots; first += gridDim.x * tile) {
    packed<T, E> x[forward_slots];
#pragma unroll
    for (int s = 0; s < forward_slots; ++s) {
      const place p(call, row_slots, first + s * int64_t(blockDim.x));
      x[s] = load_slot<E>(call.x.row<const T>(p.row), p.at, call.cols);
    }
#pragma unroll
    for (int s = 0; s < forward_slots; ++s) {
      const place p(call, row_slots, first + s * int64_t(blockDim.x));
      packed<T, E> y;
#pragma unroll
      for (int i = 0; i < E; ++i) y.set(i, F::forward(x[s][i], coefficients));
      store_slot<E>(call.out.row<T>(p.row), p.at, call.cols, y);
    }
  }
}

// A slot's share of the coefficient gradients again, in double: its sums left float's range, or an input was
// not finite.
template <class F, int E, int N, class T>
__device__ __forceinline__ void add_sums_in_double(const T* x, const T* g, int64_t at, int64_t cols,
                                                   double (&total)[N]) {
#pragma unroll 1
  for (int i = 0; i < E; ++i) {
    if (at + i < 0 || at + i >= cols) continue;
    F::add_coefficient_sums(double(float(x[at + i])), double(float(g[at + i])), total);
  }
}

template <class F, class T, bool Whole>
__global__ void __launch_bounds__(elementwise_threads)
    elementwise_backward_kernel(const activation_call call, const int64_t row_slots, unsigned* ticket) {
  constexpr int E = slot_elements<T, Whole>;
  constexpr int N = F::coefficient_sums;
  using place = slot_place<T, E>;
  const auto coefficients = folded<F>(call);
  const int64_t tile = int64_t(blockDim.x) * backward_slots, slots = call.rows * row_slots;
  double total[N > 0 ? N : 1] = {};
  for (int64_t first = blockIdx.x * tile + threadIdx.x; first < slots; first += gridDim.x * tile) {
    packed<T, E> x[backward_slots], g[backward_slots];
#pragma unroll
    for (int s = 0; s < backward_slots; ++s) {
      const place p(call, row_slots, first + s * int64_t(blockDim.x));
      x[s] = load_slot<E>(call.x.row<const T>(p.row), p.at, call.cols);
      g[s] = load_slot<E>(call.dy.row<const T>(p.row), p.at, call.cols);
    }
#pragma unroll
    for (int s = 0; s < backward_slots; ++s) {
      const place p(call, row_slots, first + s * int64_t(blockDim.x));
      packed<T, E> dx;
      float sums[N > 0 ? N : 1] = {};
#pragma unroll
      for (int i = 0; i < E; ++i) {
        dx.set(i, F::backward(x[s][i], g[s][i], coefficients));
        F::add_coefficient_sums(x[s][i], g[s][i], sums);
      }
      store_slot<E>(call.out.row<T>(p.row), p.at, call.cols, dx);
      if constexpr (N > 0) {
        bool finite = true;
#pragma unroll
        for (int k = 0; k < N; ++k) finite = finite && sums[k] - sums[k] == 0;
        if (finite) {
#pragma unroll
          for (int k = 0; k < N; ++k) total[k] += double(sums[k]);
        } else {
          add_sums_in_double<F, E>(call.x.row<const T>(p.row), call.dy.row<const T>(p.row), p.at, call.cols,
                                   total);
        }
      }
    }
  }
  if constexpr (N > 0) {
    using group = row_group<false, N>;
    __shared__ typename group::shared room;
    group(room).sum(total);
    finish_coefficients(call, total, ticket);
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

// Blocks of a backward pass: by the shape alone.
inline int64_t elementwise_partials(int64_t elements) {
  constexpr int64_t share = int64_t(elementwise_threads) * backward_slots * 4;
  const int64_t blocks = divide_up(elements, share);
  return blocks < most_partials ? blocks : most_partials;
}

template <class F, class T, bool Whole>
pc_status launch_elementwise_forward(const pc_queue& queue, const activation_call& call, int64_t row_slots) {
  const int64_t blocks = divide_up(call.rows * row_slots, int64_t(elementwise_threads) * forward_slots);
  return launch(queue, {blocks, elementwise_threads}, elementwise_forward_kernel<F, T, Whole>, call,
                row_slots);
}

template <class F, class T>
pc_status elementwise_forward(const pc_queue& queue, const activation_call& shaped) {
  if (shaped.rows == 0 || shaped.cols == 0) return PC_OK;
  const activation_call call = flattened(shaped);
  const slot_layout layout = lay_out(call, sizeof(T));
  return layout.whole ? launch_elementwise_forward<F, T, true>(queue, call, layout.row_slots)
                      : launch_elementwise_forward<F, T, false>(queue, call, layout.row_slots);
}

template <class F, class T, bool Whole>
pc_status launch_elementwise_backward(const pc_queue& queue, const activation_call& call, int64_t row_slots) {
  const int64_t tiles = divide_up(call.rows * row_slots, int64_t(elementwise_threads) * backward_slots);
  const int64_t blocks = F::coefficient_sums > 0 ? elementwise_partials(call.rows * call.cols) : tiles;
  return launch(queue, {blocks, elementwise_threads}, elementwise_backward_kernel<F, T, Whole>, call,
                row_slots, queue.tickets);
}

template <class F, class T>
pc_status elementwise_backward(const pc_queue& queue, const activation_call& shaped) {
  if (shaped.rows == 0 || shaped.cols == 0) {
    return F::coefficient_sums > 0 ? zero_coefficient_gradients(queue, shaped) : PC_OK;
  }
  const activation_call call = flattened(shaped);
  const slot_layout layout = lay_out(call, sizeof(T));
  return layout.whole ? launch_elementwise_backward<F, T, true>(queue, call, layout.row_slots)
                      : launch_elementwise_backward<F, T, false>(queue, call, layout.row_slots);
}

}  // namespace cuda
}  // namespace polycom
