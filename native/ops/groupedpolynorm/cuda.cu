// PolyNorm by groups of rows on CUDA, and its gradients: native/ops/groupedpolynorm/cpu.cpp says how the sums
// go. Where the offsets do not hold, which the CPU refuses, all outputs are NaN.
#include "cuda.cuh"

namespace polycom {
namespace cuda {
namespace {

// How many rows of column sums a backward pass with a shift needs: fixed by the shape alone.
constexpr int64_t grouped_pieces(int64_t rows) { return rows < 264 ? rows : 264; }

template <class T, class Group>
__device__ __forceinline__ void fill(Group& group, T* row, int64_t cols, float value) {
  for (int64_t at = group.rank(); at < cols; at += group.size()) row[at] = T(value);
}

template <int R, class T, bool Gated>
__global__ void __launch_bounds__(block_row_threads, 2)
    groupedpolynorm_forward_kernel(const groupedpolynorm_call call) {
  using formula = polynorm<R>;
  using group_t = row_group<false, R>;
  constexpr int E = slot_elements<T, true>;
  __shared__ typename group_t::shared room;
  group_t group(room);
  const bool hold = offsets_hold(group, call);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    T* const y = call.out.row<T>(r);
    const int64_t of = hold ? group_of(call, r) : -1;
    if (of < 0) {
      fill(group, y, call.cols, hold ? 0.0f : NAN);
      continue;
    }
    const grouped_row<T, Gated> row(call, r);
    const group_coefficients<R> coefficients(call, of);
    float sums[R];
    moments_of<R>(group, row, call, sums);
    if (formula::leaves_float(sums, call.epsilon)) {
      const double scale = formula::scale_into_double(sums, call.epsilon);
      const auto folded = fold_in_double<R>(group, row, call, coefficients, scale);
#pragma unroll 1
      for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
        const double value = formula::forward(row.value_in_double(at) * scale, folded);
        y[at] = T(float(Gated ? value * double(float(row.up[at])) : value));
      }
      continue;
    }
    const auto folded =
        formula::template fold_forward<float>(sums, call.epsilon, coefficients.weight, coefficients.bias);
    const slotted_row<T> out_row(y, call.cols);
    for_each_slot<E>(group, call.cols, [&](int64_t at) {
      const auto x = row.x.load(at), up = row.load_up(at);
      float out[E];
#pragma unroll
      for (int i = 0; i < E; ++i) {
        const float value = formula::forward(row.clamped(row.shifted(x[i], at + i)), folded);
        out[i] = Gated ? value * up[i] : value;
      }
      out_row.store(at, packed<T, E>::of(out));
    });
  }
}

// A row that leaves float's range, again in double. `columns`: the block's sums of dx, or null.
template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ void backward_in_double(Group& group, const grouped_row<T, Gated>& row,
                                                   const groupedpolynorm_call& call, int64_t r,
                                                   const group_coefficients<R>& coefficients, double scale,
                                                   double* columns, double (&share)[R + 1]) {
  using formula = polynorm<R>;
  double sums[formula::backward_sums] = {};
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size())
    formula::add_moments_and_products(row.value_in_double(at) * scale, row.gradient_in_double(at), sums);
  group.sum(sums);
  to_means<R>(call, sums);
  const double epsilon = double(call.epsilon), squared = scale * scale;
  const auto folded = formula::template fold_backward<double>(sums, sums + R, call.inverse_count, epsilon,
                                                              coefficients.weight, share, squared);
  const auto value =
      formula::template fold_forward<double>(sums, epsilon, coefficients.weight, coefficients.bias, squared);
  T* const dx = call.out.row<T>(r);
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) {
    const double v = row.value_in_double(at) * scale;
    const bool cut = row.is_cut(row.shifted(double(float(row.x[at])), at));
    const double d = cut ? 0.0 : formula::backward(v, row.gradient_in_double(at), folded) * scale;
    dx[at] = T(float(d));
    if (columns != nullptr) columns[at] += d;
    if constexpr (Gated)
      call.dup.row<T>(r)[at] = T(float(double(float(row.dy[at])) * formula::forward(v, value)));
  }
}

template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ void backward_row(Group& group, const groupedpolynorm_call& call, int64_t r,
                                             int64_t of, double* columns, double (&share)[R + 1]) {
  using formula = polynorm<R>;
  constexpr int E = slot_elements<T, true>;
  const grouped_row<T, Gated> row(call, r);
  const group_coefficients<R> coefficients(call, of);
  float sums[formula::backward_sums];
  using slots_t = typename grouped_row<T, Gated>::slots;
  sum_slots<formula::backward_sums, E>(
      group, call.cols, sums, [&](int64_t at) { return row.load(at); },
      [&](int64_t at, const slots_t& of, float* part) {
#pragma unroll
        for (int i = 0; i < E; ++i) {
          const float v = row.clamped(row.shifted(of.x[i], at + i));
          formula::add_moments_and_products(v, Gated ? of.dy[i] * of.up[i] : of.dy[i], part);
        }
      });
  to_means<R>(call, sums);
  if (formula::backward_leaves_float(sums, call.epsilon)) {
    const double scale = formula::scale_into_double(sums, call.epsilon);
    return backward_in_double<R>(group, row, call, r, coefficients, scale, columns, share);
  }
  float parts[R + 1];
  const auto folded = formula::template fold_backward<float>(sums, sums + R, float(call.inverse_count),
                                                             call.epsilon, coefficients.weight, parts);
  const auto value =
      formula::template fold_forward<float>(sums, call.epsilon, coefficients.weight, coefficients.bias);
#pragma unroll
  for (int p = 0; p <= R; ++p) share[p] = double(parts[p]);
  const slotted_row<T> dx(call.out.row<T>(r), call.cols);
  const slotted_row<T> dup(Gated ? call.dup.row<T>(r) : nullptr, call.cols);
  for_each_slot<E>(group, call.cols, [&](int64_t at) {
    const auto [x, up, dy] = row.load(at);
    float out[E], dup_out[E];
#pragma unroll
    for (int i = 0; i < E; ++i) {
      const float shifted = row.shifted(x[i], at + i), v = row.clamped(shifted);
      const float d =
          row.is_cut(shifted) ? 0.0f : formula::backward(v, Gated ? dy[i] * up[i] : dy[i], folded);
      out[i] = d;
      if (columns != nullptr && at + i < call.cols) columns[at + i] += double(d);
      if constexpr (Gated) dup_out[i] = dy[i] * formula::forward(v, value);
    }
    dx.store(at, packed<T, E>::of(out));
    if constexpr (Gated) dup.store(at, packed<T, E>::of(dup_out));
  });
}

// Each block takes every gridDim-th row. Its threads' sums of columns are read by others only after a
// barrier: that of the next row's sums.
template <int R, class T, bool Gated>
__global__ void __launch_bounds__(block_row_threads, 1)
    groupedpolynorm_backward_kernel(const groupedpolynorm_call call) {
  using group_t = row_group<false, polynorm<R>::backward_sums>;
  __shared__ typename group_t::shared room;
  group_t group(room);
  const bool hold = offsets_hold(group, call);
  double* const columns = call.has_shift ? call.column_sums() + int64_t(blockIdx.x) * call.cols : nullptr;
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const int64_t of = hold ? group_of(call, r) : -1;
    if (of < 0) {
      const float value = hold ? 0.0f : NAN;
      fill(group, call.out.row<T>(r), call.cols, value);
      if (Gated) fill(group, call.dup.row<T>(r), call.cols, value);
      continue;
    }
    double share[R + 1];
    backward_row<R, T, Gated>(group, call, r, of, columns, share);
    if (group.rank() == 0) {
      for (int p = 0; p <= R; ++p) call.group_shares()[r * (R + 1) + p] = share[p];
    }
  }
}

// A group's coefficient gradients from its rows' shares: a block a group.
__global__ void __launch_bounds__(block_row_threads, 1)
    groupedpolynorm_groups_kernel(const groupedpolynorm_call call) {
  using group_t = row_group<false, PC_MAX_ORDER + 1>;
  __shared__ group_t::shared room;
  group_t group(room);
  const bool hold = offsets_hold(group, call);
  const int width = call.order + 1;
  for (int64_t g = blockIdx.x; g < call.groups; g += gridDim.x) {
    const int64_t first = call.has_offsets ? call.offsets[g] : 0;
    const int64_t past = call.has_offsets ? call.offsets[g + 1] : call.rows;
    double total[PC_MAX_ORDER + 1] = {};
    if (hold && !call.empty()) {
      for (int64_t r = first + group.rank(); r < past; r += group.size()) {
#pragma unroll
        for (int p = 0; p <= PC_MAX_ORDER; ++p)
          total[p] += p < width ? call.group_shares()[r * width + p] : 0.0;
      }
    }
    group.sum(total);
    if (group.rank() > 0) continue;
    const double scale = hold ? double(call.output_scale) : double(NAN);
    const float bias = call.bias[g];
    const bool cut = hold && (bias > call.bias_limit || bias < -call.bias_limit);
    call.dbias[g] = cut ? 0.0f : float(scale * total[0]);
#pragma unroll
    for (int p = 1; p <= PC_MAX_ORDER; ++p) {
      if (p < width) call.dweight[g * call.order + call.order - p] = float(scale * total[p]);
    }
  }
}

// The shift's gradient from the blocks' sums of dx's columns, in the order of the blocks.
__global__ void __launch_bounds__(block_row_threads, 1)
    groupedpolynorm_columns_kernel(const groupedpolynorm_call call, int64_t pieces) {
  using group_t = row_group<false, 1>;
  __shared__ group_t::shared room;
  group_t group(room);
  const bool hold = offsets_hold(group, call);
  const int64_t first = int64_t(blockIdx.x) * group.size() + group.rank();
  for (int64_t c = first; c < call.cols; c += int64_t(gridDim.x) * group.size()) {
    double total = 0;
    for (int64_t piece = 0; piece < pieces; ++piece) total += call.column_sums()[piece * call.cols + c];
    call.dshift[c] = hold ? float(total) : NAN;
  }
}

template <bool Gated>
pc_status forward_of(const pc_queue& queue, const groupedpolynorm_call& call) {
  if (call.empty()) return PC_OK;
  const launch_shape shape = a_block_a_row(call.rows, call.cols, call.dtype == PC_F32 ? 4 : 2);
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    return launch(queue, shape, groupedpolynorm_forward_kernel<R, T, Gated>, call);
  });
}

pc_status zero_column_sums(const pc_queue& queue, const groupedpolynorm_call& call, int64_t pieces) {
  const device_scope device(queue.index);
  if (pc_status status = device.status("memset")) return status;
  const size_t bytes = size_t(pieces * call.cols) * sizeof(double);
  return check(cudaMemsetAsync(call.column_sums(), 0, bytes, static_cast<cudaStream_t>(queue.stream)),
               "memset");
}

template <bool Gated>
pc_status rows_backward(const pc_queue& queue, const groupedpolynorm_call& call) {
  const int64_t pieces = grouped_pieces(call.rows);
  if (call.has_shift) {
    if (pc_status status = zero_column_sums(queue, call, pieces)) return status;
  }
  launch_shape shape = a_block_a_row(call.rows, call.cols, call.dtype == PC_F32 ? 4 : 2);
  if (call.has_shift) shape.blocks = pieces;
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    return launch(queue, shape, groupedpolynorm_backward_kernel<R, T, Gated>, call);
  });
}

template <bool Gated>
pc_status backward_of(const pc_queue& queue, const groupedpolynorm_call& call) {
  if (!call.empty()) {
    if (pc_status status = rows_backward<Gated>(queue, call)) return status;
  }
  if (call.groups > 0) {
    if (pc_status status =
            launch(queue, {call.groups, block_row_threads}, groupedpolynorm_groups_kernel, call))
      return status;
  }
  if (!call.has_shift) return PC_OK;
  return launch(queue, {divide_up(call.cols, block_row_threads), block_row_threads},
                groupedpolynorm_columns_kernel, call, call.empty() ? 0 : grouped_pieces(call.rows));
}

}  // namespace

pc_status groupedpolynorm_forward(pc_queue& queue, const groupedpolynorm_call& call) {
  return forward_of<false>(queue, call);
}

pc_status groupedpolynorm_backward(pc_queue& queue, const groupedpolynorm_call& call) {
  return backward_of<false>(queue, call);
}

pc_status groupedpolynormglu_forward(pc_queue& queue, const groupedpolynorm_call& call) {
  return forward_of<true>(queue, call);
}

pc_status groupedpolynormglu_backward(pc_queue& queue, const groupedpolynorm_call& call) {
  return backward_of<true>(queue, call);
}

int64_t groupedpolynorm_workspace(const groupedpolynorm_call& call) {
  if (call.empty()) return 0;
  const int64_t sums = call.has_shift ? grouped_pieces(call.rows) * call.cols : 0;
  return (call.rows * (call.order + 1) + sums) * int64_t(sizeof(double));
}

}  // namespace cuda
}  // namespace polycom
