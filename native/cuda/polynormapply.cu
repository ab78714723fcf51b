// PolyNorm on CUDA of rows whose columns are split: native/cpu/polynormapply.cpp has the formulas. A block
// takes a row.
#include "core/polynormapply.h"
#include "math/polynorm.h"
#include "row_slots.cuh"

namespace polycom {
namespace cuda {
namespace {

// Whether float may have lost digits of a sum: to overflow, or to terms that are no normal numbers.
template <int N>
__device__ __forceinline__ bool leaves_float(const float (&sums)[N]) {
  bool leaves = false;
#pragma unroll
  for (int k = 0; k < N; ++k) leaves = leaves || !(fabsf(sums[k]) <= 1e30f && fabsf(sums[k]) >= 1e-30f);
  return leaves;
}

// Writes sums over a row, times `factor`: add(at, sums) adds those of a slot of E elements in float,
// add_in_double(at, sums) those of an element.
template <int N, int E, class Group, class Add, class AddInDouble>
__device__ __forceinline__ void write_sums(Group& group, int64_t cols, double factor, float* to, Add add,
                                           AddInDouble add_in_double) {
  float sums[N];
  sum_slots<N, E>(group, cols, sums, add);
  double exact[N] = {};
  if (leaves_float(sums)) {
#pragma unroll 1
    for (int64_t at = group.rank(); at < cols; at += group.size()) add_in_double(at, exact);
    group.sum(exact);
  } else {
#pragma unroll
    for (int k = 0; k < N; ++k) exact[k] = double(sums[k]);
  }
  if (group.rank() > 0) return;
#pragma unroll
  for (int k = 0; k < N; ++k) to[k] = float(exact[k] * factor);
}

template <int R, class T>
__global__ void __launch_bounds__(block_row_threads, 1)
    polynormmoments_kernel(const polynormapply_call call) {
  using group_t = row_group<false, R>;
  constexpr int E = slot_elements<T, true>;
  __shared__ typename group_t::shared room;
  group_t group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const slotted_row<const T> x(call.x.row<const T>(r), call.cols);
    write_sums<R, E>(
        group, call.cols, call.inverse_count, call.sums + r * R,
        [&](int64_t at, float* sums) {
          const auto slot = x.load(at);
#pragma unroll
          for (int i = 0; i < E; ++i) polynorm<R>::add_moments(slot[i], sums);
        },
        [&](int64_t at, double* sums) { polynorm<R>::add_moments(double(float(x[at])), sums); });
  }
}

template <int R, class T>
__global__ void __launch_bounds__(block_row_threads, 1)
    polynormproducts_kernel(const polynormapply_call call) {
  using group_t = row_group<false, R + 1>;
  constexpr int E = slot_elements<T, true>;
  __shared__ typename group_t::shared room;
  group_t group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const slotted_row<const T> x(call.x.row<const T>(r), call.cols), dy(call.dy.row<const T>(r), call.cols);
    write_sums<R + 1, E>(
        group, call.cols, 1.0, call.sums + r * (R + 1),
        [&](int64_t at, float* sums) {
          const auto slot = x.load(at), upstream = dy.load(at);
#pragma unroll
          for (int i = 0; i < E; ++i) polynorm<R>::add_products(slot[i], upstream[i], sums);
        },
        [&](int64_t at, double* sums) {
          polynorm<R>::add_products(double(float(x[at])), double(float(dy[at])), sums);
        });
  }
}

template <int R, class T>
__global__ void __launch_bounds__(block_row_threads, 1)
    polynormapply_forward_kernel(const polynormapply_call call) {
  using formula = polynorm<R>;
  constexpr int E = slot_elements<T, true>;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const auto row =
        formula::template fold_forward<float>(call.moments + r * R, call.epsilon, call.weight, *call.bias);
    const slotted_row<const T> x(call.x.row<const T>(r), call.cols);
    const slotted_row<T> y(call.out.row<T>(r), call.cols);
    for (int64_t at = int64_t(threadIdx.x) * E; at < call.cols; at += int64_t(blockDim.x) * E) {
      const auto slot = x.load(at);
      packed<T, E> out;
#pragma unroll
      for (int i = 0; i < E; ++i) out.set(i, formula::forward(slot[i], row));
      y.store(at, out);
    }
  }
}

// What a row's gradients are computed from; `share` receives its part of the coefficients', and `vanished`
// whether a term has.
template <int R>
__device__ __forceinline__ typename polynorm<R>::template backward_row<double> fold(
    const polynormapply_call& call, int64_t r, double (&share)[R + 1], bool& vanished) {
  using formula = polynorm<R>;
  double means[R], products[R + 1];
  for (int p = 0; p < R; ++p) means[p] = double(call.moments[r * R + p]);
  for (int p = 0; p <= R; ++p) products[p] = double(call.products[r * (R + 1) + p]);
  vanished = formula::drop_vanished(means, products);
  return formula::template fold_backward<double>(means, products, call.inverse_count, double(call.epsilon),
                                                 call.weight, share);
}

// What a row's dx is computed from, of sums that float holds.
template <int R>
__device__ __forceinline__ typename polynorm<R>::template backward_row<float> fold_in_float(
    const polynormapply_call& call, const float (&sums)[2 * R + 1]) {
  float share[R + 1];
  return polynorm<R>::template fold_backward<float>(sums, sums + R, float(call.inverse_count), call.epsilon,
                                                    call.weight, share);
}

template <int R, class T>
__global__ void __launch_bounds__(block_row_threads, 1)
    polynormapply_backward_kernel(const polynormapply_call call) {
  using formula = polynorm<R>;
  constexpr int E = slot_elements<T, true>;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const slotted_row<const T> x(call.x.row<const T>(r), call.cols), dy(call.dy.row<const T>(r), call.cols);
    const slotted_row<T> dx(call.out.row<T>(r), call.cols);
    float sums[formula::backward_sums];
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] = call.moments[r * R + p];
#pragma unroll
    for (int p = 0; p <= R; ++p) sums[R + p] = call.products[r * (R + 1) + p];
    typename formula::template backward_row<float> row;
    if (formula::backward_leaves_float(sums, call.epsilon)) {
      double share[R + 1];
      bool vanished;
      const auto wide = fold<R>(call, r, share, vanished);
      if (vanished) {
#pragma unroll 1
        for (int64_t at = threadIdx.x; at < call.cols; at += blockDim.x)
          dx[at] = T(float(formula::backward(double(float(x[at])), double(float(dy[at])), wide)));
        continue;
      }
      row = formula::template narrowed<float>(wide);
    } else {
      row = fold_in_float<R>(call, sums);
    }
    for (int64_t at = int64_t(threadIdx.x) * E; at < call.cols; at += int64_t(blockDim.x) * E) {
      const auto slot = x.load(at), upstream = dy.load(at);
      packed<T, E> out;
#pragma unroll
      for (int i = 0; i < E; ++i) out.set(i, formula::backward(slot[i], upstream[i], row));
      dx.store(at, out);
    }
  }
}

// The coefficient gradients of a piece of the rows, into the workspace: a block a piece.
template <int R>
__global__ void __launch_bounds__(block_row_threads, 1)
    polynormapply_pieces_kernel(const polynormapply_call call, int64_t size) {
  using group_t = row_group<false, R + 1>;
  __shared__ typename group_t::shared room;
  group_t group(room);
  const int64_t first = int64_t(blockIdx.x) * size, end = first + size;
  const int64_t past = end < call.rows ? end : call.rows;
  double total[R + 1] = {};
  for (int64_t r = first + group.rank(); r < past; r += group.size()) {
    double share[R + 1];
    bool vanished;
    fold<R>(call, r, share, vanished);
    for (int p = 0; p <= R; ++p) total[p] += share[p];
  }
  group.sum(total);
  if (group.rank() > 0) return;
  for (int p = 0; p <= R; ++p) call.workspace[int64_t(blockIdx.x) * (R + 1) + p] = total[p];
}

__global__ void __launch_bounds__(warp_size, 1)
    polynormapply_coefficients_kernel(const polynormapply_call call, int64_t pieces) {
  const int p = int(threadIdx.x), width = call.order + 1;
  if (p >= width) return;
  double total = 0;
  for (int64_t i = 0; i < pieces; ++i) total += call.workspace[i * width + p];
  (p == 0 ? call.dbias[0] : call.dweight[call.order - p]) = float(total);
}

}  // namespace

pc_status polynormmoments(pc_queue& queue, const polynormapply_call& call) {
  if (call.rows == 0) return PC_OK;
  return with_order_and_storage(call, [&](auto order, auto storage) {
    return launch(queue, a_block_a_row(call),
                  polynormmoments_kernel<decltype(order)::order, typename decltype(storage)::type>, call);
  });
}

pc_status polynormproducts(pc_queue& queue, const polynormapply_call& call) {
  if (call.rows == 0) return PC_OK;
  return with_order_and_storage(call, [&](auto order, auto storage) {
    return launch(queue, a_block_a_row(call),
                  polynormproducts_kernel<decltype(order)::order, typename decltype(storage)::type>, call);
  });
}

pc_status polynormapply_forward(pc_queue& queue, const polynormapply_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  return with_order_and_storage(call, [&](auto order, auto storage) {
    return launch(queue, a_block_a_row(call),
                  polynormapply_forward_kernel<decltype(order)::order, typename decltype(storage)::type>,
                  call);
  });
}

pc_status polynormapply_backward(pc_queue& queue, const polynormapply_call& call) {
  const apply_pieces pieces = cut_apply(call.rows);
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    if (call.rows > 0 && call.cols > 0) {
      if (pc_status status = launch(queue, a_block_a_row(call), polynormapply_backward_kernel<R, T>, call))
        return status;
    }
    if (pieces.count > 0) {
      if (pc_status status = launch(queue, {pieces.count, block_row_threads}, polynormapply_pieces_kernel<R>,
                                    call, pieces.rows))
        return status;
    }
    return launch(queue, {1, warp_size}, polynormapply_coefficients_kernel, call, pieces.count);
  });
}

}  // namespace cuda
}  // namespace polycom
