// What PolyNorm's kernels do with one row, alone or times what its gate multiplies.
#pragma once
#include "activations/polynorm.h"
#include "math/polynomial.h"
#include "math/polynorm.h"
#include "runtime/cuda/packed.cuh"
#include "runtime/cuda/reduce.cuh"

namespace polycom {
namespace cuda {

// --- a row by the element ---

// Where a call's tensors have one row. Those that a pass lacks are null.
template <class T, bool Gated>
struct row_of {
  const T *x, *up, *dy;
  T *out, *dup;

  __device__ __forceinline__ row_of(const polynorm_call& call, int64_t r)
      : x(call.x.row<const T>(r)),
        up(Gated ? call.up.row<const T>(r) : nullptr),
        dy(call.dy.row<const T>(r)),
        out(call.out.row<T>(r)),
        dup(Gated ? call.dup.row<T>(r) : nullptr) {}

  // The gradient that reaches the norm, in double.
  __device__ __forceinline__ double gradient(int64_t at) const {
    return double(float(dy[at])) * (Gated ? double(float(up[at])) : 1.0);
  }
};

// A row that leaves float's range, again in double. `seen`: what its moments were.
template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ void forward_row_in_double(Group& group, const row_of<T, Gated>& row,
                                                      const polynorm_call& call, const float* seen) {
  using formula = polynorm<R>;
  const double scale = formula::scale_into_double(seen, call.epsilon);
  double sums[R] = {};
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    formula::add_moments(double(float(row.x[at])) * scale, sums);
  }
  group.sum(sums);
  for (int p = 0; p < R; ++p) sums[p] *= call.inverse_count;
  const auto folded = formula::template fold_forward<double>(sums, double(call.epsilon), call.weight,
                                                             *call.bias, scale * scale);
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    const double y = formula::forward(double(float(row.x[at])) * scale, folded);
    row.out[at] = T(float(Gated ? y * double(float(row.up[at])) : y));
  }
}

// `gradients` receives the row's share of the coefficient gradients.
template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ void backward_row_in_double(Group& group, const row_of<T, Gated>& row,
                                                       const polynorm_call& call, const float* seen,
                                                       double (&gradients)[R + 1]) {
  using formula = polynorm<R>;
  const double scale = formula::scale_into_double(seen, call.epsilon);
  double sums[formula::backward_sums] = {};
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    formula::add_moments_and_products(double(float(row.x[at])) * scale, row.gradient(at), sums);
  }
  group.sum(sums);
  for (int p = 0; p < R; ++p) sums[p] *= call.inverse_count;
  const double epsilon = double(call.epsilon), squared = scale * scale;
  const auto folded = formula::template fold_backward<double>(sums, sums + R, call.inverse_count, epsilon,
                                                              call.weight, gradients, squared);
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    row.out[at] =
        T(float(formula::backward(double(float(row.x[at])) * scale, row.gradient(at), folded) * scale));
  }
  if constexpr (Gated) {
    const auto value =
        formula::template fold_forward<double>(sums, epsilon, call.weight, *call.bias, squared);
#pragma unroll 1
    for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
      const double y = formula::forward(double(float(row.x[at])) * scale, value);
      row.dup[at] = T(float(double(float(row.dy[at])) * y));
    }
  }
}

// --- a row by the slot ---

template <int R, class T, int E, bool Gated>
__device__ __forceinline__ packed<T, E> forward_slot(
    const packed<T, E>& x, const packed<T, E>& up,
    const typename polynorm<R>::template forward_row<float>& row) {
  float out[E];
#pragma unroll
  for (int i = 0; i < E; ++i) {
    const float y = polynorm<R>::forward(x[i], row);
    out[i] = Gated ? y * up[i] : y;
  }
  return packed<T, E>::of(out);
}

template <bool Gated, class T, int E>
__device__ __forceinline__ float gradient(const packed<T, E>& dy, const packed<T, E>& up, int i) {
  return Gated ? dy[i] * up[i] : dy[i];
}

// What a row's output is computed from.
template <int R, bool Gated>
struct backward_coefficients {
  typename polynorm<R>::template backward_row<float> slope;
  typename polynorm<R>::template forward_row<float> value;  // with a gate: dup = dy y
};

// `gradients` receives the row's share of the coefficient gradients.
template <int R, bool Gated>
__device__ __forceinline__ backward_coefficients<R, Gated> fold(const float* sums, const polynorm_call& call,
                                                                float (&gradients)[R + 1]) {
  using formula = polynorm<R>;
  backward_coefficients<R, Gated> folded;
  folded.slope = formula::template fold_backward<float>(sums, sums + R, call.inverse, call.epsilon,
                                                        call.weight, gradients);
  if constexpr (Gated) {
    folded.value = formula::template fold_forward<float>(sums, call.epsilon, call.weight, *call.bias);
  }
  return folded;
}

// dx; and dup, with a gate.
template <int R, class T, int E, bool Gated>
__device__ __forceinline__ packed<T, E> backward_slot(const packed<T, E>& x, const packed<T, E>& up,
                                                      const packed<T, E>& dy,
                                                      const backward_coefficients<R, Gated>& folded,
                                                      packed<T, E>* dup_out) {
  float dx[E], dup[E];
#pragma unroll
  for (int i = 0; i < E; ++i) {
    dx[i] = polynorm<R>::backward(x[i], gradient<Gated>(dy, up, i), folded.slope);
    if constexpr (Gated) dup[i] = dy[i] * polynorm<R>::forward(x[i], folded.value);
  }
  if constexpr (Gated) *dup_out = packed<T, E>::of(dup);
  return packed<T, E>::of(dx);
}

// --- totals of the coefficient gradients ---

// Those of a block, kept by its first thread.
template <int R>
struct block_totals {
  double values[R + 1];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int p = 0; p <= R; ++p) values[p] = 0;
  }
  template <class D>
  __device__ __forceinline__ void add(const D (&gradients)[R + 1]) {
#pragma unroll
    for (int p = 0; p <= R; ++p) values[p] += double(gradients[p]);
  }
};

// Hands in a block's sums, which its first thread has, and adds up those of all blocks.
template <int R>
__device__ __forceinline__ void finish_block(const polynorm_call& call, const double (&sums)[R + 1],
                                             unsigned* ticket) {
  if (threadIdx.x == 0) hand_in(call, blockIdx.x, sums);
  __shared__ finish_room<R + 1> room;
  finish_sums<polynomial<R>>(call, gridDim.x, gridDim.x, ticket, room);
}

// A sum of floats, with what its additions have lost; what would leave float's range is added up apart, scaled.
class long_sum {
 public:
  __device__ __forceinline__ void add(float value) {
    const float whole = value - lost_, next = sum_ + whole;
    if (fabsf(next) < 1e37f) {
      lost_ = (next - sum_) - whole;
      sum_ = next;
    } else {
      far_ += value * 0x1p-64f;
    }
  }
  __device__ __forceinline__ void add(double value) {
    if (fabs(value) < 1e37) return add(float(value));
    far_ += float(value * 0x1p-64);
  }
  __device__ double total() const { return double(far_) * 0x1p64 + (double(sum_) - double(lost_)); }

 private:
  float sum_ = 0, lost_ = 0, far_ = 0;
};

// Those of the groups of a block: where lanes of a warp take a row, the first lane keeps all; where the block does, each
// of the first threads one of them.
template <int R, bool Warp>
class group_gradients {
 public:
  __device__ __forceinline__ explicit group_gradients(int rank) : rank_(rank) {}

  template <class D>
  __device__ __forceinline__ void add(const D (&gradients)[R + 1]) {
    if constexpr (Warp) {
#pragma unroll
      for (int p = 0; p <= R; ++p) sums_[p].add(gradients[p]);
    } else {
      D mine = gradients[0];
#pragma unroll
      for (int p = 1; p <= R; ++p) {
        D other = gradients[p];
        settle(other);
        mine = rank_ == p ? other : mine;
      }
      sums_[0].add(mine);
    }
  }

  // Adds up the groups' and then the blocks'.
  __device__ __forceinline__ void finish(const polynorm_call& call, unsigned* ticket) const {
    __shared__ double of_threads[R + 1];
    double mine[R + 1];
    if constexpr (Warp) {
      using whole_block = row_group<false, R + 1>;
      __shared__ typename whole_block::shared room;
#pragma unroll
      for (int p = 0; p <= R; ++p) mine[p] = rank_ == 0 ? sums_[p].total() : 0;
      whole_block(room).sum(mine);
    } else {
      if (rank_ <= R) of_threads[rank_] = sums_[0].total();
      __syncthreads();
#pragma unroll
      for (int p = 0; p <= R; ++p) mine[p] = of_threads[p];
    }
    finish_block<R>(call, mine, ticket);
  }

 private:
  int rank_;
  long_sum sums_[Warp ? R + 1 : 1];
};

}  // namespace cuda
}  // namespace polycom
