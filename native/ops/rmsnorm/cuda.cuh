// What RMSNorm's CUDA kernels share: native/ops/rmsnorm/cpu.cpp has the formulas. Rows are taken in float, and those
// that leave its range again in double.
#pragma once
#include "call.h"
#include "math/portable.h"
#include "runtime/cuda/async.cuh"
#include "runtime/cuda/held_rows.cuh"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {

// Between these, a mean of squares is exact enough, and no product of what is normalised by its root leaves float.
constexpr float least_mean = 1e-12f, most_mean = 1e12f;

// Of the mean of a row's squares, with epsilon.
__device__ __forceinline__ bool leaves_float(float mean) {
  return !(mean >= least_mean && mean <= most_mean);
}

// 1 / rms of a row in two factors, so that neither leaves float's range: n = (x first) second.
struct row_scale {
  float first, second;

  static __device__ __forceinline__ row_scale of(double scale) {
    const float first = scale > 1e12 ? 0x1p96f : scale < 1e-12 ? 0x1p-96f : 1.0f;
    return {first, float(scale / double(first))};
  }
  template <class D>
  __device__ __forceinline__ D normal(D x) const {
    return x * D(first) * D(second);
  }
};

// Where a call's tensors have one row. Those that a pass lacks are null.
template <class T, bool Adds>
struct forward_row {
  const T *x, *residual;
  T *y, *sum;

  __device__ __forceinline__ forward_row(const rmsnorm_call& call, int64_t r)
      : x(static_cast<const T*>(call.x) + r * call.cols),
        residual(Adds ? static_cast<const T*>(call.residual) + r * call.cols : nullptr),
        y(static_cast<T*>(call.y) + r * call.cols),
        sum(Adds ? static_cast<T*>(call.sum) + r * call.cols : nullptr) {}

  // What is normalised: the sum as it is stored.
  __device__ __forceinline__ T value(int64_t at) const {
    return Adds ? T(float(x[at]) + float(residual[at])) : x[at];
  }
};

template <class T>
struct backward_row {
  const T *x, *dy, *dsum;
  T* dx;

  __device__ __forceinline__ backward_row(const rmsnorm_call& call, int64_t r)
      : x(static_cast<const T*>(call.x) + r * call.cols),
        dy(static_cast<const T*>(call.dy) + r * call.cols),
        dsum(call.dsum == nullptr ? nullptr : static_cast<const T*>(call.dsum) + r * call.cols),
        dx(static_cast<T*>(call.dx) + r * call.cols) {}
};

// A row again in double, the sum included. `cols`: 0 where a thread only takes part in the sums.
template <class T, bool Adds, class Group>
__device__ __forceinline__ void forward_in_double(Group& group, const forward_row<T, Adds>& row,
                                                  const rmsnorm_call& call, int64_t cols) {
  double squares[1] = {};
#pragma unroll 1
  for (int64_t at = group.rank(); at < cols; at += group.size()) {
    const double v = double(float(row.value(at)));
    squares[0] += v * v;
  }
  group.sum(squares);
  const double scale = reciprocal_square_root(squares[0] / double(call.cols) + double(call.epsilon));
#pragma unroll 1
  for (int64_t at = group.rank(); at < cols; at += group.size()) {
    const T v = row.value(at);
    row.y[at] = T(float(double(float(v)) * scale * double(call.weight[at])));
    if constexpr (Adds) row.sum[at] = v;
  }
}

// dx again in double; gives the row's scale.
template <class T, class Group>
__device__ __forceinline__ row_scale backward_in_double(Group& group, const backward_row<T>& row,
                                                        const rmsnorm_call& call, int64_t cols) {
  const auto x = [&](int64_t at) { return double(float(row.x[at])); };
  const auto g = [&](int64_t at) { return double(float(row.dy[at])) * double(call.weight[at]); };
  double sums[2] = {};
#pragma unroll 1
  for (int64_t at = group.rank(); at < cols; at += group.size()) {
    sums[0] += x(at) * x(at);
    sums[1] += g(at) * x(at);
  }
  group.sum(sums);
  const double count = double(call.cols),
               scale = reciprocal_square_root(sums[0] / count + double(call.epsilon)),
               along = sums[1] / count * scale;
#pragma unroll 1
  for (int64_t at = group.rank(); at < cols; at += group.size()) {
    const double more = row.dsum == nullptr ? 0.0 : double(float(row.dsum[at]));
    row.dx[at] = T(float(scale * (g(at) - x(at) * scale * along) + more));
  }
  return row_scale::of(scale);
}

// What a row's backward pass needs of its sums in float: of squares, and of dy w x.
struct backward_means {
  float mean, product;

  __device__ __forceinline__ backward_means(const float* sums, float inverse_cols, float epsilon)
      : mean(sums[0] * inverse_cols + epsilon), product(sums[1] * inverse_cols) {}

  // A product that is not 0 but so small is of summands that float may have rounded to 0.
  __device__ __forceinline__ bool leave_float() const {
    const float size = product < 0 ? -product : product;
    return leaves_float(mean) || !(size == 0 || (size > 1e-30f && size < 1e30f));
  }
};

// dx of one element: n is its normal, `along` the mean of dy w n.
__device__ __forceinline__ float slope(float n, float g, float scale, float along) {
  return scale * (g - n * along);
}

// How a call's rows are held; not at all where one does not begin and end with whole slots.
template <class T>
held_plan plan_of(const rmsnorm_call& call) {
  uintptr_t bits = 0;
  for (const void* data : {static_cast<const void*>(call.x), static_cast<const void*>(call.residual),
                           static_cast<const void*>(call.dy), static_cast<const void*>(call.dsum),
                           static_cast<const void*>(call.y), static_cast<const void*>(call.sum),
                           static_cast<const void*>(call.dx), static_cast<const void*>(call.weight)})
    bits |= uintptr_t(data);
  constexpr int E = slot_elements<T, true>;
  if (bits % slot_bytes != 0 || call.cols % E != 0) return {0, 0, 0, 0};
  return hold_rows<E>(call.cols);
}

}  // namespace cuda
}  // namespace polycom
