// PolyNorm in CUDA. A row is read once and waits on chip, packed, between its sums and its output; a row too
// wide for that, or whose tensors are aligned differently, is read twice (the second time from cache).
#include "elementwise.cuh"
#include "launch.cuh"
#include "math/polynorm.h"
#include "packed.cuh"
#include "reduce.cuh"

namespace polycom {
namespace cuda {
namespace {

// --- rows by the element: what the kernels share ---

// A row that leaves float's range, again in double.
template <class T, int R, class Group>
__device__ __forceinline__ void forward_row_in_double(Group& group, const T* x, T* y,
                                                      const activation_call& call, double inverse_cols) {
  using formula = polynorm<R>;
  double sums[formula::forward_sums] = {};
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    formula::add_moments(double(float(x[at])), sums);
  }
  group.sum(sums);
  for (int p = 0; p < R; ++p) sums[p] *= inverse_cols;
  const auto row =
      formula::template fold_forward<double>(sums, double(call.epsilon), call.weight, *call.bias);
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    y[at] = T(float(formula::forward(double(float(x[at])), row)));
  }
}

// `gradients` receives the row's share of the coefficient gradients.
template <class T, int R, class Group>
__device__ __forceinline__ void backward_row_in_double(Group& group, const T* x, const T* g, T* dx,
                                                       const activation_call& call, double inverse_cols,
                                                       double (&gradients)[R + 1]) {
  using formula = polynorm<R>;
  double sums[formula::backward_sums] = {};
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    formula::add_moments_and_products(double(float(x[at])), double(float(g[at])), sums);
  }
  group.sum(sums);
  for (int p = 0; p < R; ++p) sums[p] *= inverse_cols;
  const auto row = formula::template fold_backward<double>(sums, sums + R, inverse_cols, double(call.epsilon),
                                                           call.weight, gradients);
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    dx[at] = T(float(formula::backward(double(float(x[at])), double(float(g[at])), row)));
  }
}

// Whether float carries a row's backward pass: moments and products.
template <int R, class D>
__device__ __forceinline__ bool fits_float(const D* sums, D epsilon) {
  bool fits = !polynorm<R>::leaves_float(sums, epsilon);
#pragma unroll
  for (int p = 0; p <= R; ++p) fits = fits && sums[R + p] - sums[R + p] == 0;
  return fits;
}

// The groups' totals of the coefficient gradients, in the order of the groups.
template <int R>
__device__ void finish(const activation_call& call, const double (*totals)[R + 1], int groups,
                       unsigned* ticket) {
  __syncthreads();
  double mine[R + 1] = {};
  if (threadIdx.x == 0) {
    for (int i = 0; i < groups; ++i) {
#pragma unroll
      for (int p = 0; p <= R; ++p) mine[p] += totals[i][p];
    }
  }
  finish_coefficients(call, mine, ticket);
}

// --- kernels: the row on chip ---

constexpr int rows_per_block = 4;  // where a warp takes a row
constexpr int warp_threads = rows_per_block * warp_size;
constexpr int forward_threads = 1024, backward_threads = 640;  // at most; registers for the row decide

template <class T, int R, bool Warp, int Slots>
__global__ void __launch_bounds__(Warp ? warp_threads : forward_threads)
    polynorm_forward_kernel(const activation_call call, const double inverse_cols) {
  using formula = polynorm<R>;
  using row_threads = row_group<Warp, formula::forward_sums>;
  constexpr int E = slot_elements<T, true>;
  __shared__ typename row_threads::shared room;
  row_threads group(room);
  const int cols = int(call.cols);
  const int64_t step = int64_t(gridDim.x) * group.count();
  for (int64_t r = int64_t(blockIdx.x) * group.count() + group.index(); r < call.rows; r += step) {
    const T* x = call.x.row<const T>(r);
    T* y = call.out.row<T>(r);
    const int start = ragged_start<T, E>(x);
    packed<T, E> kept[Slots];
    float sums[formula::forward_sums] = {};
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      kept[s] = load_slot<E>(x, (s * group.size() + group.rank()) * E - start, cols);
    }
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
#pragma unroll
      for (int i = 0; i < E; ++i) formula::add_moments(kept[s][i], sums);
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= float(inverse_cols);
    if (formula::leaves_float(sums, call.epsilon)) {
      forward_row_in_double<T, R>(group, x, y, call, inverse_cols);
      continue;
    }
    const auto row = formula::template fold_forward<float>(sums, call.epsilon, call.weight, *call.bias);
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      packed<T, E> out;
#pragma unroll
      for (int i = 0; i < E; ++i) out.set(i, formula::forward(kept[s][i], row));
      store_slot<E>(y, (s * group.size() + group.rank()) * E - start, cols, out);
    }
  }
}

template <class T, int R, bool Warp, int Slots>
__global__ void __launch_bounds__(Warp ? warp_threads : backward_threads)
    polynorm_backward_kernel(const activation_call call, const double inverse_cols, unsigned* ticket) {
  using formula = polynorm<R>;
  using row_threads = row_group<Warp, formula::backward_sums>;
  constexpr int E = slot_elements<T, true>;
  constexpr int groups = Warp ? rows_per_block : 1;
  __shared__ typename row_threads::shared room;
  __shared__ double totals[groups][R + 1];
  row_threads group(room);
  if (group.rank() == 0) {
#pragma unroll
    for (int p = 0; p <= R; ++p) totals[group.index()][p] = 0;
  }
  const int cols = int(call.cols);
  const int64_t step = int64_t(gridDim.x) * groups;
  for (int64_t r = int64_t(blockIdx.x) * groups + group.index(); r < call.rows; r += step) {
    const T* x = call.x.row<const T>(r);
    const T* g = call.dy.row<const T>(r);
    T* dx = call.out.row<T>(r);
    const int start = ragged_start<T, E>(x);
    packed<T, E> kept_x[Slots], kept_g[Slots];
    float sums[formula::backward_sums] = {};
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      const int at = (s * group.size() + group.rank()) * E - start;
      kept_x[s] = load_slot<E>(x, at, cols);
      kept_g[s] = load_slot<E>(g, at, cols);
    }
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
#pragma unroll
      for (int i = 0; i < E; ++i) formula::add_moments_and_products(kept_x[s][i], kept_g[s][i], sums);
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= float(inverse_cols);
    if (!fits_float<R>(sums, call.epsilon)) {
      double gradients[R + 1];
      backward_row_in_double<T, R>(group, x, g, dx, call, inverse_cols, gradients);
      if (group.rank() == 0) {
#pragma unroll
        for (int p = 0; p <= R; ++p) totals[group.index()][p] += gradients[p];
      }
      continue;
    }
    float gradients[R + 1];
    const auto row = formula::template fold_backward<float>(sums, sums + R, float(inverse_cols), call.epsilon,
                                                            call.weight, gradients);
    if (group.rank() == 0) {
#pragma unroll
      for (int p = 0; p <= R; ++p) totals[group.index()][p] += double(gradients[p]);
    }
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      packed<T, E> out;
#pragma unroll
      for (int i = 0; i < E; ++i) out.set(i, formula::backward(kept_x[s][i], kept_g[s][i], row));
      store_slot<E>(dx, (s * group.size() + group.rank()) * E - start, cols, out);
    }
  }
  finish<R>(call, totals, groups, ticket);
}

// --- kernels: the row read twice ---

constexpr int wide_threads = 512;
// Elements that a thread sums in float before it carries them over into double, and slots that it loads at
// once.
constexpr int carry_elements = 32;
constexpr int slots_at_once = 8;

template <class T, int R, bool Whole>
__global__ void __launch_bounds__(wide_threads)
    polynorm_forward_wide_kernel(const activation_call call, const double inverse_cols) {
  using formula = polynorm<R>;
  using row_threads = row_group<false, formula::forward_sums>;
  constexpr int E = slot_elements<T, Whole>;
  __shared__ typename row_threads::shared room;
  row_threads group(room);
  const int64_t stride = int64_t(blockDim.x) * E;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const T* x = call.x.row<const T>(r);
    T* y = call.out.row<T>(r);
    const int64_t first = int64_t(threadIdx.x) * E - ragged_start<T, E>(x);
    double sums[formula::forward_sums] = {};
    for (int64_t at = first; at < call.cols;) {
      float part[formula::forward_sums] = {};
#pragma unroll slots_at_once
      for (int s = 0; s < carry_elements / E; ++s, at += stride) {
        const packed<T, E> slot = load_slot<E>(x, at, call.cols);
#pragma unroll
        for (int i = 0; i < E; ++i) formula::add_moments(slot[i], part);
      }
#pragma unroll
      for (int p = 0; p < R; ++p) sums[p] += double(part[p]);
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= inverse_cols;
    if (formula::leaves_float(sums, double(call.epsilon))) {
      forward_row_in_double<T, R>(group, x, y, call, inverse_cols);
      continue;
    }
    const auto row =
        formula::template fold_forward<float>(sums, double(call.epsilon), call.weight, *call.bias);
#pragma unroll 4
    for (int64_t at = first; at < call.cols; at += stride) {
      packed<T, E> out = load_slot<E>(x, at, call.cols);
#pragma unroll
      for (int i = 0; i < E; ++i) out.set(i, formula::forward(out[i], row));
      store_slot<E>(y, at, call.cols, out);
    }
  }
}

template <class T, int R, bool Whole>
__global__ void __launch_bounds__(wide_threads)
    polynorm_backward_wide_kernel(const activation_call call, const double inverse_cols, unsigned* ticket) {
  using formula = polynorm<R>;
  using row_threads = row_group<false, formula::backward_sums>;
  constexpr int E = slot_elements<T, Whole>;
  __shared__ typename row_threads::shared room;
  __shared__ double totals[1][R + 1];
  row_threads group(room);
  if (threadIdx.x == 0) {
#pragma unroll
    for (int p = 0; p <= R; ++p) totals[0][p] = 0;
  }
  const int64_t stride = int64_t(blockDim.x) * E;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const T* x = call.x.row<const T>(r);
    const T* g = call.dy.row<const T>(r);
    T* dx = call.out.row<T>(r);
    const int64_t first = int64_t(threadIdx.x) * E - ragged_start<T, E>(x);
    double sums[formula::backward_sums] = {};
    for (int64_t at = first; at < call.cols;) {
      float part[formula::backward_sums] = {};
#pragma unroll slots_at_once
      for (int s = 0; s < carry_elements / E; ++s, at += stride) {
        const packed<T, E> slot_x = load_slot<E>(x, at, call.cols), slot_g = load_slot<E>(g, at, call.cols);
#pragma unroll
        for (int i = 0; i < E; ++i) formula::add_moments_and_products(slot_x[i], slot_g[i], part);
      }
#pragma unroll
      for (int p = 0; p < formula::backward_sums; ++p) sums[p] += double(part[p]);
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= inverse_cols;
    double gradients[R + 1];
    if (fits_float<R>(sums, double(call.epsilon))) {
      const auto row = formula::template fold_backward<float>(sums, sums + R, inverse_cols,
                                                              double(call.epsilon), call.weight, gradients);
#pragma unroll 2
      for (int64_t at = first; at < call.cols; at += stride) {
        const packed<T, E> slot_g = load_slot<E>(g, at, call.cols);
        packed<T, E> out = load_slot<E>(x, at, call.cols);
#pragma unroll
        for (int i = 0; i < E; ++i) out.set(i, formula::backward(out[i], slot_g[i], row));
        store_slot<E>(dx, at, call.cols, out);
      }
    } else {
      backward_row_in_double<T, R>(group, x, g, dx, call, inverse_cols, gradients);
    }
    if (threadIdx.x == 0) {
#pragma unroll
      for (int p = 0; p <= R; ++p) totals[0][p] += gradients[p];
    }
  }
  finish<R>(call, totals, 1, ticket);
}

// --- launchers ---

// Slots that a thread keeps: one in the narrowest rows, four else. The threads follow from the width.
constexpr int kept_slots = 4;

int threads_for(int64_t row_slots) {
  return int(divide_up(divide_up(row_slots, kept_slots), warp_size)) * warp_size;
}

template <class T, int R>
pc_status forward(const pc_queue& queue, const activation_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  const double inverse_cols = 1.0 / double(call.cols);
  const slot_layout layout = lay_out(call, sizeof(T));
  const auto run = [&](auto kernel, int64_t rows_a_block, int threads) {
    return launch(queue, {divide_up(call.rows, rows_a_block), threads}, kernel, call, inverse_cols);
  };
  if (!layout.whole) return run(polynorm_forward_wide_kernel<T, R, false>, 1, wide_threads);
  if (layout.row_slots <= warp_size)
    return run(polynorm_forward_kernel<T, R, true, 1>, rows_per_block, warp_threads);
  if (layout.row_slots <= warp_size * kept_slots)
    return run(polynorm_forward_kernel<T, R, true, kept_slots>, rows_per_block, warp_threads);
  if (layout.row_slots <= forward_threads * kept_slots)
    return run(polynorm_forward_kernel<T, R, false, kept_slots>, 1, threads_for(layout.row_slots));
  return run(polynorm_forward_wide_kernel<T, R, true>, 1, wide_threads);
}

template <class T, int R>
pc_status backward(const pc_queue& queue, const activation_call& call) {
  if (call.rows == 0 || call.cols == 0) return zero_coefficient_gradients(queue, call);
  const double inverse_cols = 1.0 / double(call.cols);
  const slot_layout layout = lay_out(call, sizeof(T));
  const int64_t blocks = coefficient_partials(call.rows, call.cols, true);
  const auto run = [&](auto kernel, int threads) {
    return launch(queue, {blocks, threads}, kernel, call, inverse_cols, queue.tickets);
  };
  if (!layout.whole) return run(polynorm_backward_wide_kernel<T, R, false>, wide_threads);
  if (layout.row_slots <= warp_size) return run(polynorm_backward_kernel<T, R, true, 1>, warp_threads);
  if (layout.row_slots <= warp_size * kept_slots)
    return run(polynorm_backward_kernel<T, R, true, kept_slots>, warp_threads);
  if (layout.row_slots <= backward_threads * kept_slots)
    return run(polynorm_backward_kernel<T, R, false, kept_slots>, threads_for(layout.row_slots));
  return run(polynorm_backward_wide_kernel<T, R, true>, wide_threads);
}

}  // namespace

// --- exports ---

pc_status polynorm_forward(pc_queue& queue, const activation_call& call) {
  return forward<float, 3>(queue, call);
}

pc_status polynorm_backward(pc_queue& queue, const activation_call& call) {
  return backward<float, 3>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
