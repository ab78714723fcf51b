// PolyNorm on the CPU, alone or times what its gate multiplies.
#pragma once
#include "activations/polynorm.h"
#include "polynorm_row.h"

namespace polycom {
namespace cpu {
namespace {

template <int R, class T, bool Gated>
polynorm_row<R, T, Gated> row_of(const polynorm_call& call, int64_t r) {
  return {call.cols,
          call.x.row<const T>(r),
          Gated ? call.up.row<const T>(r) : nullptr,
          call.dy.data == nullptr ? nullptr : call.dy.row<const T>(r),
          call.x.stride,
          call.up.stride,
          call.weight,
          *call.bias,
          call.epsilon,
          call.inverse_count,
          {}};
}

inline bool streams_out(const activation_call& call) {
  return too_large_to_cache(call.rows * call.cols * (call.dtype == PC_F32 ? 4 : 2));
}

template <bool Gated>
pc_status polynorm_forward_of(pc_queue& queue, const activation_call& any) {
  const polynorm_call call(any);
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    const bool streaming = streams_out(call);
    for_each_chunk(queue, call, true, [&](const chunk& c, int64_t) {
      for (int64_t r = c.row; r < c.row_end; ++r) {
        const stored_row<output<T>> y{{call.out.row<T>(r)}, streaming};
        row_of<R, T, Gated>(call, r).forward(y);
      }
      if (streaming) fence_streaming();
    });
    return PC_OK;
  });
}

template <bool Gated>
pc_status polynorm_backward_of(pc_queue& queue, const activation_call& any) {
  const polynorm_call call(any);
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order, N = R + 1;
    using T = typename decltype(storage)::type;
    const bool streaming = streams_out(call);
    for_each_chunk(queue, call, true, [&](const chunk& c, int64_t index) {
      double total[N] = {};
      for (int64_t r = c.row; r < c.row_end; ++r) {
        double gradients[N];
        const auto row = row_of<R, T, Gated>(call, r);
        if constexpr (Gated) {
          const stored_row<two_outputs<T>> out{{{call.out.row<T>(r)}, {call.dup.row<T>(r)}}, streaming};
          row.backward(out, gradients);
        } else {
          row.backward(stored_row<output<T>>{{call.out.row<T>(r)}, streaming}, gradients);
        }
        for (int p = 0; p < N; ++p) total[p] += gradients[p];
      }
      memcpy(call.partials + index * N, total, sizeof total);
      if (streaming) fence_streaming();
    });
    finish_sums<polynomial<R>>(call, true);
    return PC_OK;
  });
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
