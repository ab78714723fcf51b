// PolyNorm in CUDA, alone or times what its gate multiplies: which kernel takes a call.
#pragma once
#include "elementwise.cuh"
#include "polynorm_kernels.cuh"
#include "polynorm_staged.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/resident.cuh"

namespace polycom {
namespace cuda {

// A persistent grid over rows in shared memory: as many clusters as the device holds, with the same number of
// units of work each. The kernel takes the staging after the call.
template <class Call, class Kernel, class... Arguments>
pc_status launch_staged(const pc_queue& queue, const pc_mapping& mapping, const row_launch& chosen,
                        int64_t units, Kernel kernel, const Call& call, const Arguments&... arguments) {
  launch_shape shape{0, chosen.threads, chosen.shared, mapping.cluster};
  int64_t clusters = 1;
  const auto address = reinterpret_cast<const void*>(kernel);
  if (pc_status status = resident_clusters(queue, address, shape, &clusters)) return status;
  shape.blocks = balanced(units, clusters) * mapping.cluster;
  return launch(queue, shape, kernel, call, chosen.plan, arguments...);
}

// How a call's rows are taken. Only rows of whole slots wait on chip; others are read twice.
inline pc_mapping mapping_of(const pc_queue& queue, const polynorm_call& call, const slot_layout& layout,
                             int32_t pass) {
  if (!layout.even) return {0, pass, 0, PC_PATH_TWICE, wide_threads, 0, 1, INT64_MAX};
  return find_mapping(queue.architecture, pass, call.dtype == PC_F32 ? 4 : 2, layout.row_slots);
}

template <bool Gated>
pc_status polynorm_forward_of(const pc_queue& queue, const activation_call& any) {
  if (any.rows == 0 || any.cols == 0) return PC_OK;
  const polynorm_call call(any);
  constexpr int32_t pass = mapping_pass(Gated, false);
  constexpr int most = register_slots(pass);
  const slot_layout layout = lay_out(call);
  const pc_mapping mapping = mapping_of(queue, call, layout, pass);
  const row_launch chosen = launch_for(mapping, layout.row_slots);
  const int slots = chosen.plan.slots;
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    const auto by_warp = [&](auto kernel) {
      return launch(queue, {divide_up(call.rows, rows_per_block), warp_threads}, kernel, call, slots);
    };
    switch (mapping.path) {
      case PC_PATH_WARP:
        return slots == 1 ? by_warp(polynorm_forward_kernel<R, T, Gated, true, 1>)
                          : by_warp(polynorm_forward_kernel<R, T, Gated, true, most>);
      case PC_PATH_BLOCK:
        return launch(queue, {call.rows, chosen.threads}, polynorm_forward_kernel<R, T, Gated, false, most>,
                      call, slots);
      case PC_PATH_STAGED:
        return launch_staged(queue, mapping, chosen, call.rows, polynorm_forward_staged_kernel<R, T, Gated>,
                             call);
      default:
        return launch(queue, {call.rows, chosen.threads},
                      layout.whole ? polynorm_forward_wide_kernel<R, T, Gated, true>
                                   : polynorm_forward_wide_kernel<R, T, Gated, false>,
                      call);
    }
  });
}

template <bool Gated>
pc_status polynorm_backward_of(const pc_queue& queue, const activation_call& any) {
  if (any.rows == 0 || any.cols == 0) return zero_gradients(queue, any);
  const polynorm_call call(any);
  constexpr int32_t pass = mapping_pass(Gated, true);
  constexpr int most = register_slots(pass);
  const slot_layout layout = lay_out(call);
  const pc_mapping mapping = mapping_of(queue, call, layout, pass);
  const row_launch chosen = launch_for(mapping, layout.row_slots);
  const int slots = chosen.plan.slots;
  const int64_t chunks = partial_sums(call.rows, call.cols, true);
  unsigned* ticket = nullptr;
  if (pc_status status = ticket_of(queue, call, &ticket)) return status;
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    const auto in_registers = [&](auto kernel, int threads) {
      return launch(queue, {chunks, threads}, kernel, call, slots, ticket);
    };
    switch (mapping.path) {
      case PC_PATH_WARP:
        return slots == 1 ? in_registers(polynorm_backward_kernel<R, T, Gated, true, 1>, warp_threads)
                          : in_registers(polynorm_backward_kernel<R, T, Gated, true, most>, warp_threads);
      case PC_PATH_BLOCK:
        return in_registers(polynorm_backward_kernel<R, T, Gated, false, most>, chosen.threads);
      case PC_PATH_STAGED:
        return launch_staged(queue, mapping, chosen, chunks, polynorm_backward_staged_kernel<R, T, Gated>,
                             call, chunks, ticket);
      default:
        return launch(queue, {chunks, chosen.threads},
                      layout.whole ? polynorm_backward_wide_kernel<R, T, Gated, true>
                                   : polynorm_backward_wide_kernel<R, T, Gated, false>,
                      call, ticket);
    }
  });
}

}  // namespace cuda
}  // namespace polycom
