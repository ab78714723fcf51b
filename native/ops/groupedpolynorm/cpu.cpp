// PolyNorm by groups of rows on the CPU, and its gradients. Each row leaves its share of the coefficient
// gradients in the workspace, which are then added up by groups, in the order of the rows; a piece of the
// rows leaves the sums of its columns of dx, for the shift's.
#include "cpu.h"

namespace polycom {
namespace cpu {
namespace {

// A row of dx, or of dx and dup, whose dx is added to the columns' sums.
template <class Output>
struct summed_row {
  stored_row<Output> row;
  double* sums;  // or null

  static PC_INLINE vec dx_of(vec v) { return v; }
  static PC_INLINE vec dx_of(const vec_pair& v) { return v.first; }
  static double dx_of(double v) { return v; }
  static double dx_of(const double_pair& v) { return v.first; }

  PC_INLINE void add(int64_t i, int64_t n, vec dx) const {
    if (n < lanes) {
      for (int64_t k = 0; k < n; ++k) sums[i + k] += double(dx[k]);
      return;
    }
    wide_vec total;
    memcpy(&total, sums + i, sizeof total);
    total += widened(dx);
    memcpy(sums + i, &total, sizeof total);
  }

  template <class Body>
  PC_INLINE void vectors(int64_t n, Body body) const {
    if (sums == nullptr) return row.vectors(n, body);
    row.vectors(n, [&](int64_t i, int64_t count) {
      const auto v = body(i, count);
      add(i, count, dx_of(v));
      return v;
    });
  }
  template <class Body>
  void elements(int64_t n, Body body) const {
    row.elements(n, [&](int64_t i) {
      const auto v = body(i);
      if (sums != nullptr) sums[i] += dx_of(v);
      return v;
    });
  }
};

template <class T>
void store_zeros(T* to, int64_t cols) {
  memset(static_cast<void*>(to), 0, size_t(cols) * sizeof(T));
}

template <class T>
bool streams_out(const groupedpolynorm_call& call) {
  return too_large_to_cache(call.rows * call.cols * int64_t(sizeof(T)));
}

template <bool Gated>
pc_status forward_of(pc_queue& queue, const groupedpolynorm_call& call) {
  if (call.empty()) return PC_OK;
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    const bool streaming = streams_out<T>(call);
    for_each_piece(queue, call, [&](int64_t, int64_t first, int64_t past) {
      group_cursor<R> group(call, first);
      for (int64_t r = first; r < past; ++r) {
        T* const y = call.out.row<T>(r);
        if (group.find(r)) {
          row_of<R, T, Gated>(call, r, group).forward(stored_row<output<T>>{{y}, streaming});
        } else {
          store_zeros(y, call.cols);
        }
      }
      if (streaming) fence_streaming();
    });
    return PC_OK;
  });
}

template <int R, class T, bool Gated>
void backward_row(const groupedpolynorm_call& call, int64_t r, const group_cursor<R>& group, double* columns,
                  double* share) {
  const bool streaming = streams_out<T>(call);
  const auto row = row_of<R, T, Gated>(call, r, group);
  if constexpr (Gated) {
    const stored_row<two_outputs<T>> out{{{call.out.row<T>(r)}, {call.dup.row<T>(r)}}, streaming};
    row.backward(summed_row<two_outputs<T>>{out, columns}, share);
  } else {
    row.backward(summed_row<output<T>>{{{call.out.row<T>(r)}, streaming}, columns}, share);
  }
}

// The coefficient gradients from the rows' shares.
void sum_groups(pc_queue& queue, const groupedpolynorm_call& call) {
  const int64_t width = call.order + 1;
  for_each_range(queue, call.groups, 1, [&](int64_t g, int64_t) {
    const int64_t first = call.has_offsets ? call.offsets[g] : 0;
    const int64_t past = call.has_offsets ? call.offsets[g + 1] : call.rows;
    double total[PC_MAX_ORDER + 1] = {};
    for (int64_t r = first; r < past && !call.empty(); ++r) {
      for (int64_t p = 0; p < width; ++p) total[p] += call.group_shares()[r * width + p];
    }
    const double scale = double(call.output_scale);
    const bool cut = fabs(call.bias[g]) > call.bias_limit;
    call.dbias[g] = cut ? 0.0f : float(scale * total[0]);
    for (int64_t p = 1; p < width; ++p)
      call.dweight[g * call.order + call.order - p] = float(scale * total[p]);
  });
}

void sum_columns(const groupedpolynorm_call& call) {
  const int64_t padded = padded_cols(call.cols), pieces = cut_rows(call.rows, call.cols).count;
  for (int64_t c = 0; c < call.cols; ++c) {
    double total = 0;
    for (int64_t i = 0; i < pieces; ++i) total += call.column_sums()[i * padded + c];
    call.dshift[c] = float(total);
  }
}

template <bool Gated>
pc_status backward_of(pc_queue& queue, const groupedpolynorm_call& call) {
  const pc_status status = with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    if (call.empty()) return PC_OK;
    const int64_t padded = padded_cols(call.cols);
    for_each_piece(queue, call, [&](int64_t piece, int64_t first, int64_t past) {
      double* const columns = call.has_shift ? call.column_sums() + piece * padded : nullptr;
      if (columns != nullptr) std::fill(columns, columns + padded, 0.0);
      group_cursor<R> group(call, first);
      for (int64_t r = first; r < past; ++r) {
        if (group.find(r)) {
          backward_row<R, T, Gated>(call, r, group, columns, call.group_shares() + r * (R + 1));
          continue;
        }
        store_zeros(call.out.row<T>(r), call.cols);
        if (Gated) store_zeros(call.dup.row<T>(r), call.cols);
      }
      if (streams_out<T>(call)) fence_streaming();
    });
    return PC_OK;
  });
  sum_groups(queue, call);
  if (call.has_shift) sum_columns(call);
  return status;
}

}  // namespace

namespace PC_ISA {

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

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
