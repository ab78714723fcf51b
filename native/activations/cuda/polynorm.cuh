// PolyNorm in CUDA, alone or times what its gate multiplies: which kernel takes a call.
#pragma once
#include "elementwise.cuh"
#include "polynorm_kernels.cuh"
#include "polynorm_staged.cuh"
#include "polynorm_wide.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/resident.cuh"

namespace polycom {
namespace cuda {

// A persistent grid: as many clusters as the device holds, with the same number of units of work each. The kernel takes
// the arguments after the call.
template <class Call, class Kernel, class... Arguments>
pc_status launch_resident(const pc_queue& queue, const row_launch& chosen, int cluster, int64_t units,
                          Kernel kernel, const Call& call, const Arguments&... arguments) {
  launch_shape shape{0, chosen.threads, chosen.shared, cluster};
  int64_t clusters = 1;
  const auto address = reinterpret_cast<const void*>(kernel);
  if (pc_status status = resident_clusters(queue, address, shape, &clusters)) return status;
  shape.blocks = balanced(units, clusters) * cluster;
  return launch(queue, shape, kernel, call, arguments...);
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
  const slot_layout layout = lay_out(call);
  const pc_mapping mapping = mapping_of(queue, call, layout, pass);
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    constexpr int most = register_slots(pass, sizeof(T));
    const row_launch chosen = launch_for(mapping, sizeof(T), layout.row_slots);
    const int slots = chosen.plan.slots, lanes = chosen.lanes;
    switch (mapping.path) {
      case PC_PATH_WARP:
        return launch_resident(queue, chosen, 1, divide_up(call.rows, chosen.threads / lanes),
                               polynorm_forward_kernel<R, T, Gated, true, most>, call, slots, lanes);
      case PC_PATH_BLOCK:
        return launch_resident(queue, chosen, 1, call.rows, polynorm_forward_kernel<R, T, Gated, false, most>,
                               call, slots, lanes);
      case PC_PATH_STAGED:
        return launch_resident(queue, chosen, mapping.cluster, call.rows,
                               polynorm_forward_staged_kernel<R, T, Gated>, call, chosen.plan);
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
  const slot_layout layout = lay_out(call);
  const pc_mapping mapping = mapping_of(queue, call, layout, pass);
  const int64_t chunks = partial_sums(call.rows, call.cols, true);
  unsigned* ticket = nullptr;
  if (pc_status status = ticket_of(queue, call, &ticket)) return status;
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    constexpr int most = register_slots(pass, sizeof(T));
    const row_launch chosen = launch_for(mapping, sizeof(T), layout.row_slots);
    const auto in_registers = [&](auto kernel) {
      return launch(queue, {chunks, chosen.threads}, kernel, call, chosen.plan.slots, chosen.lanes, ticket);
    };
    switch (mapping.path) {
      case PC_PATH_WARP:
        return in_registers(polynorm_backward_kernel<R, T, Gated, true, most>);
      case PC_PATH_BLOCK:
        return in_registers(polynorm_backward_kernel<R, T, Gated, false, most>);
      case PC_PATH_STAGED:
        return launch_resident(queue, chosen, mapping.cluster, chunks,
                               polynorm_backward_staged_kernel<R, T, Gated>, call, chosen.plan, chunks,
                               ticket);
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
