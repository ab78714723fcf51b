// PolyNorm's kernels over rows in registers: read once, and kept packed between the sums and the output; and
// over rows that are read twice, the second time from cache: those too wide for anything else, and those that
// do not begin and end with whole slots. Each kernel folds its row's sums itself, as the staged ones do: a function
// that also says whether the row was done in double costs a tenth more registers (sm_90).
#pragma once
#include "activations/mapping.h"
#include "polynorm_row.cuh"

namespace polycom {
namespace cuda {

// --- kernels: the row in registers. A thread has `slots` of the row's, at most Slots ---

constexpr int rows_per_block = 4;  // where a warp takes a row
constexpr int warp_threads = rows_per_block * warp_size;

template <int R, class T, bool Gated, bool Warp, int Slots>
__global__ void __launch_bounds__(Warp ? warp_threads : block_threads(mapping_pass(Gated, false)), 1)
    polynorm_forward_kernel(const polynorm_call call, int slots) {
  using formula = polynorm<R>;
  using row_threads = row_group<Warp, R>;
  constexpr int E = slot_elements<T, true>;
  __shared__ typename row_threads::shared room;
  row_threads group(room);
  const int cols = int(call.cols);
  const int64_t step = int64_t(gridDim.x) * group.count();
  for (int64_t r = int64_t(blockIdx.x) * group.count() + group.index(); r < call.rows; r += step) {
    const row_of<T, Gated> row(call, r);
    const int first = group.rank() * E, stride = group.size() * E;
    packed<T, E> x[Slots], up[Slots];
    float sums[R] = {};
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (s >= slots) break;
      x[s] = load_even<E>(row.x, first + s * stride, cols);
      if constexpr (Gated) up[s] = load_even<E>(row.up, first + s * stride, cols);
    }
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (s >= slots) break;
#pragma unroll
      for (int i = 0; i < E; ++i) formula::add_moments(x[s][i], sums);
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse;
    if (formula::leaves_float(sums, call.epsilon)) {
      forward_row_in_double<R>(group, row, call, sums);
      continue;
    }
    const auto folded = formula::template fold_forward<float>(sums, call.epsilon, call.weight, *call.bias);
    forget_conversions(x, call);
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (s >= slots) break;
      store_even<E>(row.out, first + s * stride, cols, forward_slot<R, T, E, Gated>(x[s], up[s], folded));
    }
  }
}

template <int R, class T, bool Gated, bool Warp, int Slots>
__global__ void __launch_bounds__(Warp ? warp_threads : block_threads(mapping_pass(Gated, true)), 1)
    polynorm_backward_kernel(const polynorm_call call, int slots, unsigned* ticket) {
  using formula = polynorm<R>;
  using row_threads = row_group<Warp, formula::backward_sums>;
  constexpr int E = slot_elements<T, true>, groups = Warp ? rows_per_block : 1;
  __shared__ typename row_threads::shared room;
  __shared__ group_totals<R, groups> totals;
  row_threads group(room);
  if (group.rank() == 0) totals.clear(group.index());
  const int cols = int(call.cols);
  const int64_t step = int64_t(gridDim.x) * groups;
  for (int64_t r = int64_t(blockIdx.x) * groups + group.index(); r < call.rows; r += step) {
    const row_of<T, Gated> row(call, r);
    const int first = group.rank() * E, stride = group.size() * E;
    packed<T, E> x[Slots], up[Slots], dy[Slots];
    float sums[formula::backward_sums] = {};
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (s >= slots) break;
      x[s] = load_even<E>(row.x, first + s * stride, cols);
      dy[s] = load_even<E>(row.dy, first + s * stride, cols);
      if constexpr (Gated) up[s] = load_even<E>(row.up, first + s * stride, cols);
    }
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (s >= slots) break;
#pragma unroll
      for (int i = 0; i < E; ++i) {
        formula::add_moments_and_products(x[s][i], gradient<Gated>(dy[s], up[s], i), sums);
      }
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse;
    if (formula::backward_leaves_float(sums, call.epsilon)) {
      double gradients[R + 1];
      backward_row_in_double<R>(group, row, call, sums, gradients);
      if (group.rank() == 0) totals.add(group.index(), gradients);
      continue;
    }
    float gradients[R + 1];
    const auto folded = fold<R, Gated>(sums, call, gradients);
    if (group.rank() == 0) totals.add(group.index(), gradients);
    forget_conversions(x, call);
    forget_conversions(dy, call);
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (s >= slots) break;
      packed<T, E> dup;
      store_even<E>(row.out, first + s * stride, cols, backward_slot<R>(x[s], up[s], dy[s], folded, &dup));
      if constexpr (Gated) store_even<E>(row.dup, first + s * stride, cols, dup);
    }
  }
  totals.finish(call, ticket);
}

// --- kernels: the row read twice ---

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
  __shared__ group_totals<R, 1> totals;
  row_threads group(room);
  if (threadIdx.x == 0) totals.clear(0);
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
      if (threadIdx.x == 0) totals.add(0, gradients);
      continue;
    }
    float gradients[R + 1];
    const auto folded = fold<R, Gated>(totalled, call, gradients);
    if (threadIdx.x == 0) totals.add(0, gradients);
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
  totals.finish(call, ticket);
}

}  // namespace cuda
}  // namespace polycom
