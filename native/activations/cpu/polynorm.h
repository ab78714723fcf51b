// PolyNorm on the CPU, alone or times what its gate multiplies.
#pragma once
#include <algorithm>

#include "activations/polynorm.h"
#include "polynorm_rows.h"

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

// Not where every few vectors the end of a row would be written the plain way, into a line that is half streamed.
inline bool streams_out(const activation_call& call) {
  const int64_t item = call.dtype == PC_F32 ? 4 : 2, vector = lanes * item;
  const bool whole =
      call.cols % lanes == 0 && call.out.stride % lanes == 0 && uintptr_t(call.out.data) % vector == 0;
  return (whole || call.cols > narrow_cols) && too_large_to_cache(call.rows * call.cols * item);
}

template <bool Gated>
pc_status polynorm_forward_of(pc_queue& queue, const activation_call& any) {
  const polynorm_call call(any);
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    const bool streaming = streams_out(call);
    for_each_chunk(queue, call, true, [&](const chunk& c, int64_t) {
      const auto row = [&](int64_t r) { return row_of<R, T, Gated>(call, r); };
      const auto out = [&](int64_t r) { return stored_row<output<T>>{{call.out.row<T>(r)}, streaming}; };
      if (call.cols <= narrow_cols) {
        for (int64_t r = c.row; r < c.row_end; r += lanes) {
          forward_rows<R>(
              call, std::min<int64_t>(lanes, c.row_end - r), [&](int64_t i) { return row(r + i); },
              [&](int64_t i) { return out(r + i); });
        }
      } else {
        for (int64_t r = c.row; r < c.row_end; ++r) row(r).forward(out(r));
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
      const auto row = [&](int64_t r) { return row_of<R, T, Gated>(call, r); };
      const auto out = [&](int64_t r) {
        if constexpr (Gated) {
          return stored_row<two_outputs<T>>{{{call.out.row<T>(r)}, {call.dup.row<T>(r)}}, streaming};
        } else {
          return stored_row<output<T>>{{call.out.row<T>(r)}, streaming};
        }
      };
      // Written out: in a function that takes the loops' bodies, the gated pass over wide rows takes nearly twice as long.
      if (call.cols <= narrow_cols) {
        for (int64_t r = c.row; r < c.row_end; r += lanes) {
          backward_rows<R>(
              call, std::min<int64_t>(lanes, c.row_end - r), [&](int64_t i) { return row(r + i); },
              [&](int64_t i) { return out(r + i); }, total);
        }
      } else {
        for (int64_t r = c.row; r < c.row_end; ++r) {
          double gradients[N];
          row(r).backward(out(r), gradients);
          for (int p = 0; p < N; ++p) total[p] += gradients[p];
        }
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
