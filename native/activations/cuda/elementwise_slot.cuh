// What the kernels of element-wise activations do with a slot. For what a formula is, see math/formula.h.
#pragma once
#include <type_traits>

#include "runtime/cuda/packed.cuh"
#include "runtime/cuda/reduce.cuh"
#include "ticket.cuh"

namespace polycom {
namespace cuda {

constexpr int elementwise_threads = 256;
// Slots of each tensor that a thread has in flight.
template <class F>
constexpr int forward_slots = F::is_long    ? 1
                              : F::takes_up ? 2
                                            : 4;
template <class F>
constexpr int backward_slots = F::is_long ? 1 : 2;

// A call as a formula's kernels are handed it. Constants of scalars alone are made on the host, in double if
// need be; those of parameters in every thread, for they are on the device.
template <class F, bool OnHost = F::sums == 0 && !std::is_empty_v<typename F::template constants<float>>>
struct elementwise_call : activation_call {
  explicit elementwise_call(const activation_call& call) : activation_call(call) {}

  __device__ __forceinline__ auto constants() const { return F::template fold<float>(inputs); }
};

template <class F>
struct elementwise_call<F, true> : activation_call {
  typename F::template constants<float> folded;

  explicit elementwise_call(const activation_call& call)
      : activation_call(call), folded(F::template fold<float>(call.inputs)) {}

  __device__ __forceinline__ const auto& constants() const { return folded; }
};

// y of a slot. `up` is read by gated formulas alone, here and below.
template <class F, class T, int E, class C>
__device__ __forceinline__ packed<T, E> elementwise_forward_slot(const packed<T, E>& x,
                                                                 const packed<T, E>& up, const C& constants) {
  float y[E];
#pragma unroll
  for (int i = 0; i < E; ++i) {
    if constexpr (F::takes_up) {
      y[i] = F::forward(x[i], up[i], constants);
    } else {
      y[i] = F::forward(x[i], constants);
    }
  }
  return packed<T, E>::of(y);
}

// Adds elements from `at` to before `past` to the sums again, in double: those of their slots left float's
// range, or an input was not finite.
template <class F, class T, int N>
__device__ __forceinline__ void add_sums_in_double(const T* x, const T* up, const T* dy, int64_t at,
                                                   int64_t past, const formula_inputs& inputs,
                                                   double (&total)[N]) {
  const auto constants = F::template fold<double>(inputs);
#pragma unroll 1
  for (; at < past; ++at) {
    const double g = float(dy[at]);
    if constexpr (F::takes_up) {
      const double u = float(up[at]);
      F::add_sums(double(float(x[at])), u, g, constants, total);
    } else {
      F::add_sums(double(float(x[at])), g, constants, total);
    }
  }
}

// dx, and dup; adds the slot's share to the sums.
template <class F, class T, int E, class C, int N>
__device__ __forceinline__ packed<T, E> elementwise_backward_slot(const packed<T, E>& x,
                                                                  const packed<T, E>& up,
                                                                  const packed<T, E>& dy, const C& constants,
                                                                  packed<T, E>* dup_out, float (&sums)[N]) {
  float dx[E], dup[E];
#pragma unroll
  for (int i = 0; i < E; ++i) {
    const float g = dy[i];
    if constexpr (F::takes_up) {
      const float u = up[i];
      F::backward(x[i], u, g, constants, &dx[i], &dup[i]);
      if constexpr (F::sums > 0) F::add_sums(x[i], u, g, constants, sums);
    } else {
      dx[i] = F::backward(x[i], g, constants);
      if constexpr (F::sums > 0) F::add_sums(x[i], g, constants, sums);
    }
  }
  if constexpr (F::takes_up) *dup_out = packed<T, E>::of(dup);
  return packed<T, E>::of(dx);
}

template <int N>
__device__ __forceinline__ bool all_finite(const float (&sums)[N]) {
  bool finite = true;
#pragma unroll
  for (int k = 0; k < N; ++k) finite = finite && sums[k] - sums[k] == 0;
  return finite;
}

// The sums of a block's threads, and then of all blocks: what the parameters' gradients are made of.
template <class F, int N>
__device__ __forceinline__ void finish_elementwise(const activation_call& call, double (&total)[N],
                                                   unsigned* ticket) {
  using group = row_group<false, N>;
  __shared__ typename group::shared room;
  group(room).sum(total);
  if (threadIdx.x == 0) hand_in(call, blockIdx.x, total);
  __shared__ finish_room<N> finish;
  finish_sums<F>(call, gridDim.x, gridDim.x, ticket, finish);
}

}  // namespace cuda
}  // namespace polycom
