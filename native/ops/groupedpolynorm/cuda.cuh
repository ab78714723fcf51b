// What PolyNorm's kernels by groups of rows share: a block takes a row,
// and reads it from the cache the second time.
#pragma once
#include "call.h"
#include "math/polynorm.h"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {

// Whether the offsets rise, from 0 or more to at most the rows; asked by all threads of a block.
template <class Group>
__device__ bool offsets_hold(Group& group, const groupedpolynorm_call& call) {
  if (!call.has_offsets) return true;
  int wrong[1] = {};
  for (int64_t i = group.rank(); i <= call.groups; i += group.size()) {
    const int64_t low = i == 0 ? 0 : call.offsets[i - 1];
    wrong[0] += call.offsets[i] < low || call.offsets[i] > call.rows;
  }
  group.sum(wrong);
  return wrong[0] == 0;
}

// The group of a row, or -1. The offsets hold.
__device__ inline int64_t group_of(const groupedpolynorm_call& call, int64_t row) {
  if (!call.has_offsets) return 0;
  int64_t low = 0, high = call.groups + 1;  // the first offset past the row lies in [low, high]
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (call.offsets[middle] > row) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low > call.groups ? -1 : low - 1;
}

// A group's coefficients, times the output's scale.
template <int R>
struct group_coefficients {
  float weight[R], bias;

  __device__ __forceinline__ group_coefficients(const groupedpolynorm_call& call, int64_t group) {
    const float b = call.bias[group], limit = call.bias_limit;
#pragma unroll
    for (int p = 0; p < R; ++p) weight[p] = call.output_scale * call.weight[group * R + p];
    bias = call.output_scale * (b > limit ? limit : b < -limit ? -limit : b);
  }
};

// Where one row lies, and what is done to x before it is normalised.
template <class T, bool Gated>
struct grouped_row {
  static constexpr int E = slot_elements<T, true>;

  slotted_row<const T> x, up, dy;
  const float* shift;
  float limit;
  int64_t cols;

  __device__ __forceinline__ grouped_row(const groupedpolynorm_call& call, int64_t r)
      : x(call.x.row<const T>(r), call.cols),
        up(Gated ? call.up.row<const T>(r) : nullptr, call.cols),
        dy(call.dy.data == nullptr ? nullptr : call.dy.row<const T>(r), call.cols),
        shift(call.has_shift ? call.shift : nullptr),
        limit(call.input_limit),
        cols(call.cols) {}

  // A slot of each tensor.
  struct slots {
    packed<T, E> x, up, dy;
  };
  __device__ __forceinline__ packed<T, E> load_up(int64_t at) const {
    if constexpr (Gated) return up.load(at);
    return {};
  }
  __device__ __forceinline__ slots load(int64_t at) const { return {x.load(at), load_up(at), dy.load(at)}; }

  // Of element `at`, whose x is given: with its shift, and then clamped.
  template <class V>
  __device__ __forceinline__ V shifted(V x_at, int64_t at) const {
    return shift == nullptr || at >= cols ? x_at : x_at + V(shift[at]);
  }
  template <class V>
  __device__ __forceinline__ V clamped(V v) const {
    return v > V(limit) ? V(limit) : v < V(-limit) ? V(-limit) : v;
  }
  template <class V>
  __device__ __forceinline__ bool is_cut(V v) const {
    return v > V(limit) || v < V(-limit);
  }

  __device__ __forceinline__ double value_in_double(int64_t at) const {
    return clamped(shifted(double(float(x[at])), at));
  }
  __device__ __forceinline__ double gradient_in_double(int64_t at) const {
    return double(float(dy[at])) * (Gated ? double(float(up[at])) : 1.0);
  }
};

template <int R, class V>
__device__ __forceinline__ void to_means(const groupedpolynorm_call& call, V* sums) {
#pragma unroll
  for (int p = 0; p < R; ++p) sums[p] *= V(call.inverse_count);
}

// A row's moments, as means, in float.
template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ void moments_of(Group& group, const grouped_row<T, Gated>& row,
                                           const groupedpolynorm_call& call, float (&sums)[R]) {
  constexpr int E = slot_elements<T, true>;
  sum_slots<R, E>(
      group, call.cols, sums, [&](int64_t at) { return row.x.load(at); },
      [&](int64_t at, const packed<T, E>& x, float* part) {
#pragma unroll
        for (int i = 0; i < E; ++i) polynorm<R>::add_moments(row.clamped(row.shifted(x[i], at + i)), part);
      });
  to_means<R>(call, sums);
}

// What a row that leaves float's range is folded to, in double; `scale` is the power of two by which x is to
// be multiplied before.
template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ typename polynorm<R>::template forward_row<double> fold_in_double(
    Group& group, const grouped_row<T, Gated>& row, const groupedpolynorm_call& call,
    const group_coefficients<R>& coefficients, double scale) {
  using formula = polynorm<R>;
  double sums[R] = {};
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size())
    formula::add_moments(row.value_in_double(at) * scale, sums);
  group.sum(sums);
  to_means<R>(call, sums);
  return formula::template fold_forward<double>(sums, double(call.epsilon), coefficients.weight,
                                                coefficients.bias, scale * scale);
}

}  // namespace cuda
}  // namespace polycom
