// Element-wise activations on the CPU: one read and one write of each tensor, the coefficient gradients on
// the way. A formula gives fold, forward, backward, coefficient_sums and add_coefficient_sums (native/math).
#pragma once
#include "cpu/simd.h"

namespace polycom {
namespace cpu {
namespace {

template <class F>
auto folded(const activation_call& call) {
  const float bias = call.bias == nullptr ? 0.0f : *call.bias;
  return F::template fold<float>(call.weight, bias);
}

// body(row, col, n) for each run of contiguous elements of a chunk.
template <class Body>
PC_INLINE void for_each_run(const activation_call& call, const chunk& c, Body body) {
  const int64_t width = c.col_end - c.col;
  if (call.contiguous && c.col == 0 && c.col_end == call.cols)
    return body(c.row, c.col, (c.row_end - c.row) * width);
  for (int64_t r = c.row; r < c.row_end; ++r) body(r, c.col, width);
}

template <class F>
pc_status elementwise_forward(pc_queue& queue, const activation_call& call) {
  const bool streaming = too_large_to_cache(call.rows * call.cols * 4);
  const auto coefficients = folded<F>(call);
  for_each_chunk(queue, call, false, [&](const chunk& c, int64_t) {
    for_each_run(call, c, [&](int64_t row, int64_t col, int64_t n) {
      const float* x = call.x.row<const float>(row) + col;
      map(
          call.out.row<float>(row) + col, n, streaming,
          [&](int64_t i, int64_t count) { return load_up_to(x + i, count); },
          [&](vec v) { return F::forward(v, coefficients); });
    });
    if (streaming) fence_streaming();
  });
  return PC_OK;
}

// A block of the coefficient gradients again, in double: its sums left float's range, or an input was not
// finite.
template <class F, int N>
void add_sums_in_double(const float* x, const float* g, int64_t n, double (&total)[N]) {
  for (int64_t i = 0; i < n; ++i) F::add_coefficient_sums(double(x[i]), double(g[i]), total);
}

// One block, small enough that its second reading, for the sums, comes from the first-level cache.
template <class F, class C, int N>
PC_INLINE void backward_block(const float* x, const float* g, float* dx, int64_t n, const C& coefficients,
                              bool streaming, double (&total)[N]) {
  struct pair {
    vec x, g;
  };
  map(
      dx, n, streaming,
      [&](int64_t i, int64_t count) { return pair{load_up_to(x + i, count), load_up_to(g + i, count)}; },
      [&](pair v) { return F::backward(v.x, v.g, coefficients); });
  if constexpr (F::coefficient_sums > 0) {
    lane_sums<N> lanes_of_sums;
    accumulate(n, lanes_of_sums, [&](int64_t i, int64_t count, vec* s) {
      F::add_coefficient_sums(load_up_to(x + i, count), load_up_to(g + i, count), s);
    });
    double sums[N];
    lanes_of_sums.total(sums);
    bool finite = true;
    for (double sum : sums) finite = finite && sum - sum == 0;
    if (!finite) return add_sums_in_double<F>(x, g, n, total);
    for (int k = 0; k < N; ++k) total[k] += sums[k];
  }
}

template <class F>
pc_status elementwise_backward(pc_queue& queue, const activation_call& call) {
  constexpr int N = F::coefficient_sums;
  const bool streaming = too_large_to_cache(call.rows * call.cols * 4);
  const auto coefficients = folded<F>(call);
  for_each_chunk(queue, call, false, [&](const chunk& c, int64_t index) {
    double total[N > 0 ? N : 1] = {};
    for_each_run(call, c, [&](int64_t row, int64_t col, int64_t n) {
      const float* x = call.x.row<const float>(row) + col;
      const float* g = call.dy.row<const float>(row) + col;
      float* dx = call.out.row<float>(row) + col;
      for (int64_t from = 0; from < n; from += block) {
        const int64_t width = n - from < block ? n - from : block;
        backward_block<F>(x + from, g + from, dx + from, width, coefficients, streaming, total);
      }
    });
    if constexpr (N > 0) memcpy(call.partials + index * N, total, N * sizeof(double));
    if (streaming) fence_streaming();
  });
  if constexpr (N > 0) sum_partials(call, false);
  return PC_OK;
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
