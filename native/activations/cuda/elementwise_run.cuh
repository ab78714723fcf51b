// Element-wise activations of matrices that are each one run of memory from a 16-byte boundary on, as those of
// most calls are: a block takes tiles of whole slots, and counts within a tile in 32 bits.
#pragma once
#include "elementwise_slot.cuh"

namespace polycom {
namespace cuda {

// Blocks that a multiprocessor is to hold: as many as leave a thread the registers that a formula needs.
template <class F, bool Backward>
constexpr int run_residency = F::is_long                ? (Backward ? 1 : 2)
                              : F::takes_up && Backward ? (F::sums > 0 ? 2 : 3)
                                                        : 4;

// Where a thread's slots lie in the matrices of a pass: the first of them, and others `elementwise_threads` apart.
// `from` is that of the block's tile. What a pass lacks is null.
template <class F, class T, bool Backward>
struct run_place {
  static constexpr int E = slot_elements<T, true>;
  using slot = packed<T, E>;
  const slot *x, *up, *dy;
  slot *out, *dup;

  __device__ __forceinline__ run_place(const activation_call& call, int64_t from) {
    const int64_t at = from + threadIdx.x;
    x = static_cast<const slot*>(call.x.data) + at;
    up = F::takes_up ? static_cast<const slot*>(call.up.data) + at : nullptr;
    dy = Backward ? static_cast<const slot*>(call.dy.data) + at : nullptr;
    out = static_cast<slot*>(call.out.data) + at;
    dup = F::takes_up && Backward ? static_cast<slot*>(call.dup.data) + at : nullptr;
  }
};

// The elements behind the last whole slot: fewer than a slot's, one of them for each of the first threads.
template <class T>
__device__ __forceinline__ int64_t tail_of(const activation_call& call) {
  constexpr int E = slot_elements<T, true>;
  return call.cols / E * E + threadIdx.x;
}

template <class T>
__device__ __forceinline__ packed<T, 1> element(const matrix& m, int64_t at) {
  return {{static_cast<const T*>(m.data)[at]}};
}

template <class F, class T>
__global__ void __launch_bounds__(elementwise_threads, run_residency<F, false>)
    elementwise_forward_run_kernel(const elementwise_call<F> given) {
  const activation_call& call = given;
  using place = run_place<F, T, false>;
  using slot = typename place::slot;
  constexpr int S = forward_slots<F>, step = elementwise_threads, tile = step * S;
  const auto constants = given.constants();
  const int64_t first = blockIdx.x * int64_t(tile), left = call.cols / place::E - first;
  const place p(call, first);
  if (left >= tile) {
    slot x[S], up[S];
#pragma unroll
    for (int s = 0; s < S; ++s) {
      x[s] = load_whole(p.x + s * step);
      if constexpr (F::takes_up) up[s] = load_whole(p.up + s * step);
    }
#pragma unroll
    for (int s = 0; s < S; ++s)
      store_whole(p.out + s * step, elementwise_forward_slot<F>(x[s], up[s], constants));
    return;
  }
#pragma unroll 1
  for (int s = 0; s + int(threadIdx.x) < int(left); s += step) {
    slot up;
    if constexpr (F::takes_up) up = load_whole(p.up + s);
    store_whole(p.out + s, elementwise_forward_slot<F>(load_whole(p.x + s), up, constants));
  }
  const int64_t at = tail_of<T>(call);
  if (at >= call.cols) return;
  packed<T, 1> up;
  if constexpr (F::takes_up) up = element<T>(call.up, at);
  static_cast<T*>(call.out.data)[at] =
      elementwise_forward_slot<F>(element<T>(call.x, at), up, constants).parts[0];
}

// Adds what a thread's slots of a tile sum to, or what they do in double.
template <class F, class T, int N, int M>
__device__ __forceinline__ void add_run(const activation_call& call, const run_place<F, T, true>& p,
                                        int slots, const float (&sums)[M], double (&total)[N]) {
  if constexpr (F::sums > 0) {
    if (all_finite(sums)) {
#pragma unroll
      for (int k = 0; k < N; ++k) total[k] += double(sums[k]);
      return;
    }
#pragma unroll 1
    for (int s = 0; s < slots; ++s) {
      constexpr int E = slot_elements<T, true>;
      const int64_t at = int64_t(s) * elementwise_threads * E;
      const T* const up = reinterpret_cast<const T*>(p.up);
      add_sums_in_double<F>(reinterpret_cast<const T*>(p.x), up, reinterpret_cast<const T*>(p.dy), at, at + E,
                            call.inputs, total);
    }
  }
}

template <class F, class T>
__global__ void __launch_bounds__(elementwise_threads, run_residency<F, true>)
    elementwise_backward_run_kernel(const elementwise_call<F> given, unsigned* ticket) {
  const activation_call& call = given;
  using place = run_place<F, T, true>;
  using slot = typename place::slot;
  constexpr int S = backward_slots<F>, step = elementwise_threads, tile = step * S;
  constexpr int N = F::sums > 0 ? F::sums : 1;
  const auto constants = given.constants();
  const int64_t slots = call.cols / place::E, tiles = slots / tile;
  double total[N] = {};
  int64_t turn = blockIdx.x;
  for (; turn < tiles; turn += gridDim.x) {
    const place p(call, turn * tile);
    slot x[S], up[S], dy[S];
#pragma unroll
    for (int s = 0; s < S; ++s) {
      x[s] = load_whole(p.x + s * step);
      dy[s] = load_whole(p.dy + s * step);
      if constexpr (F::takes_up) up[s] = load_whole(p.up + s * step);
    }
    float sums[N] = {};
#pragma unroll
    for (int s = 0; s < S; ++s) {
      slot dup;
      store_whole(p.out + s * step, elementwise_backward_slot<F>(x[s], up[s], dy[s], constants, &dup, sums));
      if constexpr (F::takes_up) store_whole(p.dup + s * step, dup);
    }
    add_run<F>(call, p, S, sums, total);
  }
  // What is no whole tile: for the block whose turn it is.
  if (turn == tiles) {
    const place p(call, tiles * tile);
    const int left = int(slots - tiles * tile);
#pragma unroll 1
    for (int s = 0; s + int(threadIdx.x) < left; s += step) {
      const place here(call, tiles * tile + s);
      slot up, dup;
      float sums[N] = {};
      if constexpr (F::takes_up) up = load_whole(p.up + s);
      store_whole(p.out + s, elementwise_backward_slot<F>(load_whole(p.x + s), up, load_whole(p.dy + s),
                                                          constants, &dup, sums));
      if constexpr (F::takes_up) store_whole(p.dup + s, dup);
      add_run<F>(call, here, 1, sums, total);
    }
    const int64_t at = tail_of<T>(call);
    if (at < call.cols) {
      packed<T, 1> up, dup;
      float sums[N] = {};
      if constexpr (F::takes_up) up = element<T>(call.up, at);
      static_cast<T*>(call.out.data)[at] =
          elementwise_backward_slot<F>(element<T>(call.x, at), up, element<T>(call.dy, at), constants, &dup,
                                       sums)
              .parts[0];
      if constexpr (F::takes_up) static_cast<T*>(call.dup.data)[at] = dup.parts[0];
      if constexpr (F::sums > 0) {
        add_sums_in_double<F>(static_cast<const T*>(call.x.data), static_cast<const T*>(call.up.data),
                              static_cast<const T*>(call.dy.data), at, at + 1, call.inputs, total);
      }
    }
  }
  if constexpr (F::sums > 0) finish_elementwise<F>(call, total, ticket);
}

}  // namespace cuda
}  // namespace polycom
