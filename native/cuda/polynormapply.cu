// PolyNorm on CUDA of rows whose columns are split: native/cpu/polynormapply.cpp has the formulas. A block
// takes a row.
#include "core/polynormapply.h"
#include "launch.cuh"
#include "math/polynorm.h"
#include "packed.cuh"
#include "reduce.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int apply_threads = 256;
constexpr int64_t apply_blocks = 65536;

template <class T>
__device__ __forceinline__ float element(const matrix& m, int64_t r, int64_t at) {
  return float(m.row<const T>(r)[at]);
}

// Sums over a row in double, in thread 0's hands: add(at, sums) for each element of this thread's.
template <int N, class Add>
__device__ __forceinline__ void sum_row(int64_t cols, double (&sums)[N], row_group<false, N>& group,
                                        Add add) {
  for (double& sum : sums) sum = 0;
  for (int64_t at = group.rank(); at < cols; at += group.size()) add(at, sums);
  group.sum(sums);
}

template <int R, class T>
__global__ void __launch_bounds__(apply_threads, 1) polynormmoments_kernel(const polynormapply_call call) {
  using group_t = row_group<false, R>;
  __shared__ typename group_t::shared room;
  group_t group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    double sums[R];
    sum_row<R>(call.cols, sums, group, [&](int64_t at, double* s) {
      polynorm<R>::add_moments(double(element<T>(call.x, r, at)), s);
    });
    if (group.rank() > 0) continue;
    for (int p = 0; p < R; ++p) call.sums[r * R + p] = float(sums[p] * call.inverse_count);
  }
}

template <int R, class T>
__global__ void __launch_bounds__(apply_threads, 1) polynormproducts_kernel(const polynormapply_call call) {
  using group_t = row_group<false, R + 1>;
  __shared__ typename group_t::shared room;
  group_t group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    double sums[R + 1];
    sum_row<R + 1>(call.cols, sums, group, [&](int64_t at, double* s) {
      polynorm<R>::add_products(double(element<T>(call.x, r, at)), double(element<T>(call.dy, r, at)), s);
    });
    if (group.rank() > 0) continue;
    for (int p = 0; p <= R; ++p) call.sums[r * (R + 1) + p] = float(sums[p]);
  }
}

template <int R, class T>
__global__ void __launch_bounds__(apply_threads, 1)
    polynormapply_forward_kernel(const polynormapply_call call) {
  using formula = polynorm<R>;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const auto row =
        formula::template fold_forward<float>(call.moments + r * R, call.epsilon, call.weight, *call.bias);
    T* const y = call.out.row<T>(r);
    for (int64_t at = threadIdx.x; at < call.cols; at += blockDim.x)
      y[at] = T(formula::forward(element<T>(call.x, r, at), row));
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

template <int R, class T>
__global__ void __launch_bounds__(apply_threads, 1)
    polynormapply_backward_kernel(const polynormapply_call call) {
  using formula = polynorm<R>;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    double share[R + 1];
    bool vanished;
    const auto row = fold<R>(call, r, share, vanished);
    const auto narrow = formula::template narrowed<float>(row);
    T* const dx = call.out.row<T>(r);
    for (int64_t at = threadIdx.x; at < call.cols; at += blockDim.x) {
      const float x = element<T>(call.x, r, at), dy = element<T>(call.dy, r, at);
      dx[at] = T(vanished ? float(formula::backward(double(x), double(dy), row))
                          : formula::backward(x, dy, narrow));
    }
  }
}

// The coefficient gradients of a piece of the rows, into the workspace: a block a piece.
template <int R>
__global__ void __launch_bounds__(apply_threads, 1)
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

inline launch_shape a_block_a_row(const polynormapply_call& call) {
  const int64_t threads = divide_up(call.cols < 1 ? 1 : call.cols, warp_size) * warp_size;
  return {call.rows < apply_blocks ? call.rows : apply_blocks,
          threads < apply_threads ? int(threads) : apply_threads};
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
      if (pc_status status =
              launch(queue, {pieces.count, apply_threads}, polynormapply_pieces_kernel<R>, call, pieces.rows))
        return status;
    }
    return launch(queue, {1, warp_size}, polynormapply_coefficients_kernel, call, pieces.count);
  });
}

}  // namespace cuda
}  // namespace polycom
