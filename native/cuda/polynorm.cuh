// PolyNorm in CUDA, alone or times what its gate multiplies: which kernel takes a call.
#pragma once
#include "elementwise.cuh"
#include "launch.cuh"
#include "polynorm_kernels.cuh"

namespace polycom {
namespace cuda {

// As few warps as hold the row.
inline int threads_for(int64_t row_slots, int slots) {
  return int(divide_up(divide_up(row_slots, slots), warp_size)) * warp_size;
}

// run(order_tag, type_tag of the storage).
template <class Run>
pc_status with_order_and_storage(const activation_call& call, Run run) {
  return with_order(call.order, [&](auto order) {
    return with_storage(call.dtype, [&](auto storage) { return run(order, storage); });
  });
}

template <bool Gated>
pc_status polynorm_forward_of(const pc_queue& queue, const activation_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  const slot_layout layout = lay_out(call);
  const auto run = [&](auto kernel, int64_t rows_a_block, int threads) {
    return launch(queue, {divide_up(call.rows, rows_a_block), threads}, kernel, call);
  };
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    if (!layout.whole) return run(polynorm_forward_wide_kernel<R, T, Gated, false>, 1, wide_threads);
    if (layout.row_slots <= warp_size)
      return run(polynorm_forward_kernel<R, T, Gated, true, 1>, rows_per_block, warp_threads);
    if (layout.row_slots <= warp_size * forward_capacity<T, Gated>.slots)
      return run(polynorm_forward_kernel<R, T, Gated, true, forward_capacity<T, Gated>.slots>, rows_per_block,
                 warp_threads);
    if (layout.row_slots <= int64_t(forward_capacity<T, Gated>.threads) * forward_capacity<T, Gated>.slots)
      return run(polynorm_forward_kernel<R, T, Gated, false, forward_capacity<T, Gated>.slots>, 1,
                 threads_for(layout.row_slots, forward_capacity<T, Gated>.slots));
    return run(polynorm_forward_wide_kernel<R, T, Gated, true>, 1, wide_threads);
  });
}

template <bool Gated>
pc_status polynorm_backward_of(const pc_queue& queue, const activation_call& call) {
  if (call.rows == 0 || call.cols == 0) return zero_coefficient_gradients(queue, call);
  const slot_layout layout = lay_out(call);
  const int64_t blocks = coefficient_partials(call.rows, call.cols, true);
  const auto run = [&](auto kernel, int threads) {
    return launch(queue, {blocks, threads}, kernel, call, queue.tickets);
  };
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    if (!layout.whole) return run(polynorm_backward_wide_kernel<R, T, Gated, false>, wide_threads);
    if (layout.row_slots <= warp_size)
      return run(polynorm_backward_kernel<R, T, Gated, true, 1>, warp_threads);
    if (layout.row_slots <= warp_size * backward_capacity<T, Gated>.slots)
      return run(polynorm_backward_kernel<R, T, Gated, true, backward_capacity<T, Gated>.slots>,
                 warp_threads);
    if (layout.row_slots <= int64_t(backward_capacity<T, Gated>.threads) * backward_capacity<T, Gated>.slots)
      return run(polynorm_backward_kernel<R, T, Gated, false, backward_capacity<T, Gated>.slots>,
                 threads_for(layout.row_slots, backward_capacity<T, Gated>.slots));
    return run(polynorm_backward_wide_kernel<R, T, Gated, true>, wide_threads);
  });
}

}  // namespace cuda
}  // namespace polycom
