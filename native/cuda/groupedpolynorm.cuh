// What PolyNorm's kernels by groups of rows share: a block takes a row, and reads it from the cache the
// second time.
#pragma once
#include "core/groupedpolynorm.h"
#include "launch.cuh"
#include "math/polynorm.h"
#include "packed.cuh"
#include "reduce.cuh"

namespace polycom {
namespace cuda {

constexpr int grouped_threads = 256;
constexpr int64_t grouped_blocks = 65536;
constexpr int slots_a_carry = 32;  // after so many slots a thread's float sums go into its double ones

template <class T>
constexpr int grouped_elements = slot_bytes / int(sizeof(T));

// The threads of a row: enough for a slot each, or all.
inline int grouped_threads_for(const groupedpolynorm_call& call) {
  const int64_t item = call.dtype == PC_F32 ? 4 : 2, slots = divide_up(call.cols * item, slot_bytes);
  const int64_t threads = divide_up(slots, warp_size) * warp_size;
  return threads < grouped_threads ? int(threads) : grouped_threads;
}

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
  static constexpr int E = grouped_elements<T>;
  using slot = packed<T, E>;

  const T *x, *up, *dy;
  const float* shift;
  float limit;
  int64_t cols;
  bool x_aligned, up_aligned, dy_aligned;

  __device__ __forceinline__ grouped_row(const groupedpolynorm_call& call, int64_t r)
      : x(call.x.row<const T>(r)),
        up(Gated ? call.up.row<const T>(r) : nullptr),
        dy(call.dy.data == nullptr ? nullptr : call.dy.row<const T>(r)),
        shift(call.has_shift ? call.shift : nullptr),
        limit(call.input_limit),
        cols(call.cols),
        x_aligned(is_aligned(x)),
        up_aligned(is_aligned(up)),
        dy_aligned(is_aligned(dy)) {}

  __device__ static __forceinline__ bool is_aligned(const void* p) { return uintptr_t(p) % slot_bytes == 0; }

  // Elements past the row read as 0.
  __device__ __forceinline__ slot load(const T* row, bool aligned, int64_t at) const {
    if (aligned) return load_slot<E>(row, at, cols);
    slot loaded;
#pragma unroll
    for (int i = 0; i < E; ++i) loaded.element[i] = at + i < cols ? row[at + i] : T(0.0f);
    return loaded;
  }
  __device__ __forceinline__ slot load_x(int64_t at) const { return load(x, x_aligned, at); }
  __device__ __forceinline__ slot load_up(int64_t at) const {
    return Gated ? load(up, up_aligned, at) : slot{};
  }
  __device__ __forceinline__ slot load_dy(int64_t at) const { return load(dy, dy_aligned, at); }

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

// Sums over a row, for every thread: add(at, sums) for each slot of this thread's, in float, carried into
// double.
template <int N, int E, class Group, class Add>
__device__ __forceinline__ void sum_slots(Group& group, int64_t cols, float (&sums)[N], Add add) {
  double total[N] = {};
  const int64_t step = int64_t(group.size()) * E;
  for (int64_t from = int64_t(group.rank()) * E; from < cols; from += step * slots_a_carry) {
    float part[N] = {};
    for (int k = 0; k < slots_a_carry; ++k) {
      const int64_t at = from + k * step;
      if (at >= cols) break;
      add(at, part);
    }
#pragma unroll
    for (int k = 0; k < N; ++k) total[k] += double(part[k]);
  }
#pragma unroll
  for (int k = 0; k < N; ++k) sums[k] = float(total[k]);
  group.sum(sums);
}

template <int R, class V>
__device__ __forceinline__ void to_means(const groupedpolynorm_call& call, V* sums) {
#pragma unroll
  for (int p = 0; p < R; ++p) sums[p] *= V(call.inverse_count);
}

// A row's moments, as means, in float.
template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ void moments_of(Group& group, const grouped_row<T, Gated>& row,
                                           const groupedpolynorm_call& call, float (&sums)[R]) {
  constexpr int E = grouped_elements<T>;
  sum_slots<R, E>(group, call.cols, sums, [&](int64_t at, float* part) {
    const auto x = row.load_x(at);
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
