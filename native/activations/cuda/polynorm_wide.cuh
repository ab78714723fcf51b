// PolyNorm's kernels over rows that are read twice, the second time from cache: those too wide for anything else, and
// those that do not begin and end with whole slots.
#pragma once
#include "activations/mapping.h"
#include "polynorm_row.cuh"

namespace polycom {
namespace cuda {

// Elements that a thread sums in float before it carries them over into double,
// and slots that it loads at once.
constexpr int carry_elements = 32;
template <bool Gated>
constexpr int slots_at_once = Gated ? 4 : 8;

template <int N>
__device__ __forceinline__ void to_float(const double (&sums)[N], float (&rounded)[N]) {
#pragma unroll
  for (int k = 0; k < N; ++k) rounded[k] = float(sums[k]);
}

template <int R, class T, bool Gated, bool Whole>
__global__ void __launch_bounds__(wide_threads, 1) polynorm_forward_wide_kernel(const polynorm_call call) {
  using formula = polynorm<R>;
  using row_threads = row_group<false, R>;
  constexpr int E = slot_elements<T, Whole>;
  __shared__ typename row_threads::shared room;
  row_threads group(room);
  const int64_t stride = int64_t(blockDim.x) * E;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const row_of<T, Gated> row(call, r);
    const int64_t first = int64_t(threadIdx.x) * E - ragged_start<T, E>(row.x);
    double sums[R] = {};
    for (int64_t at = first; at < call.cols;) {
      float part[R] = {};
#pragma unroll slots_at_once < Gated>
      for (int s = 0; s < carry_elements / E; ++s, at += stride) {
        const packed<T, E> x = load_slot<E>(row.x, at, call.cols);
#pragma unroll
        for (int i = 0; i < E; ++i) formula::add_moments(x[i], part);
      }
#pragma unroll
      for (int p = 0; p < R; ++p) sums[p] += double(part[p]);
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse_count;
    float means[R];
    to_float(sums, means);
    if (formula::leaves_float(means, call.epsilon)) {
      forward_row_in_double<R>(group, row, call, means);
      continue;
    }
    const auto folded = formula::template fold_forward<float>(means, call.epsilon, call.weight, *call.bias);
#pragma unroll 2
    for (int64_t at = first; at < call.cols; at += stride) {
      const packed<T, E> x = load_slot<E>(row.x, at, call.cols);
      packed<T, E> up;
      if constexpr (Gated) up = load_slot<E>(row.up, at, call.cols);
      store_slot<E>(row.out, at, call.cols, forward_slot<R, T, E, Gated>(x, up, folded));
    }
  }
}

template <int R, class T, bool Gated, bool Whole>
__global__ void __launch_bounds__(wide_threads, 1)
    polynorm_backward_wide_kernel(const polynorm_call call, unsigned* ticket) {
  using formula = polynorm<R>;
  using row_threads = row_group<false, formula::backward_sums>;
  constexpr int E = slot_elements<T, Whole>;
  __shared__ typename row_threads::shared room;
  __shared__ block_totals<R> totals;
  row_threads group(room);
  if (threadIdx.x == 0) totals.clear();
  const int64_t stride = int64_t(blockDim.x) * E;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const row_of<T, Gated> row(call, r);
    const int64_t first = int64_t(threadIdx.x) * E - ragged_start<T, E>(row.x);
    double sums[formula::backward_sums] = {};
    for (int64_t at = first; at < call.cols;) {
      float part[formula::backward_sums] = {};
#pragma unroll slots_at_once < Gated> / 2
      for (int s = 0; s < carry_elements / E; ++s, at += stride) {
        const packed<T, E> x = load_slot<E>(row.x, at, call.cols), dy = load_slot<E>(row.dy, at, call.cols);
        packed<T, E> up;
        if constexpr (Gated) up = load_slot<E>(row.up, at, call.cols);
#pragma unroll
        for (int i = 0; i < E; ++i) formula::add_moments_and_products(x[i], gradient<Gated>(dy, up, i), part);
      }
#pragma unroll
      for (int p = 0; p < formula::backward_sums; ++p) sums[p] += double(part[p]);
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse_count;
    float totalled[formula::backward_sums];
    to_float(sums, totalled);
    if (formula::backward_leaves_float(totalled, call.epsilon)) {
      double gradients[R + 1];
      backward_row_in_double<R>(group, row, call, totalled, gradients);
      if (threadIdx.x == 0) totals.add(gradients);
      continue;
    }
    float gradients[R + 1];
    const auto folded = fold<R, Gated>(totalled, call, gradients);
    if (threadIdx.x == 0) totals.add(gradients);
#pragma unroll 2
    for (int64_t at = first; at < call.cols; at += stride) {
      const packed<T, E> x = load_slot<E>(row.x, at, call.cols), dy = load_slot<E>(row.dy, at, call.cols);
      packed<T, E> up;
      if constexpr (Gated) up = load_slot<E>(row.up, at, call.cols);
      packed<T, E> dup;
      store_slot<E>(row.out, at, call.cols, backward_slot<R>(x, up, dy, folded, &dup));
      if constexpr (Gated) store_slot<E>(row.dup, at, call.cols, dup);
    }
  }
  finish_block<R>(call, totals.values, ticket);
}

}  // namespace cuda
}  // namespace polycom
