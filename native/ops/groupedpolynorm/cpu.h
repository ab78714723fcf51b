// PolyNorm on the CPU by groups of rows, each with coefficients of its own.
#pragma once
#include <algorithm>

#include "activations/cpu/polynorm_row.h"
#include "call.h"
#include "runtime/cpu/ranges.h"

namespace polycom {
namespace cpu {
namespace {

// The groups of rows that come in order, and the coefficients of the last one asked for.
template <int R>
class group_cursor {
 public:
  group_cursor(const groupedpolynorm_call& call, int64_t first_row) : call_(call) {
    const int32_t* offsets = call.offsets;
    begin(call.has_offsets ? std::upper_bound(offsets, offsets + call.groups + 1, first_row) - offsets - 1
                           : 0);
  }

  // Whether a row, none that lies before an earlier one, belongs to a group:
  // weight() and bias() are then that group's.
  bool find(int64_t row) {
    if (!call_.has_offsets) return true;
    const int64_t before = group_;
    while (group_ < call_.groups && row >= call_.offsets[group_ + 1]) ++group_;
    if (group_ != before) begin(group_);
    return group_ >= 0 && group_ < call_.groups;
  }

  // Times the output's scale.
  const float* weight() const { return weight_; }
  float bias() const { return bias_; }

 private:
  void begin(int64_t group) {
    group_ = group;
    if (group < 0 || group >= call_.groups) return;
    const float bias = call_.bias[group], limit = call_.bias_limit;
    for (int p = 0; p < R; ++p) weight_[p] = call_.output_scale * call_.weight[group * R + p];
    bias_ = call_.output_scale * (bias > limit ? limit : bias < -limit ? -limit : bias);
  }

  const groupedpolynorm_call& call_;
  int64_t group_ = 0;
  float weight_[R] = {};
  float bias_ = 0;
};

template <int R, class T, bool Gated>
using grouped_row = polynorm_row<R, T, Gated, true>;

template <int R, class T, bool Gated>
grouped_row<R, T, Gated> row_of(const groupedpolynorm_call& call, int64_t r, const group_cursor<R>& group) {
  return {call.cols,
          call.x.row<const T>(r),
          Gated ? call.up.row<const T>(r) : nullptr,
          call.dy.data == nullptr ? nullptr : call.dy.row<const T>(r),
          call.x.stride,
          call.up.stride,
          group.weight(),
          group.bias(),
          call.epsilon,
          call.inverse_count,
          {call.has_shift ? call.shift : nullptr, call.input_limit}};
}

// body(piece, first, past) for the pieces of the call's rows, of which there are cut_rows().count.
template <class Body>
void for_each_piece(const pc_queue& queue, const groupedpolynorm_call& call, Body body) {
  const int64_t size = cut_rows(call.rows, call.cols).rows;
  for_each_range(queue, call.rows, size,
                 [&](int64_t first, int64_t past) { body(first / size, first, past); });
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
