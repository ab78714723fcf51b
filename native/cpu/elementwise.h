// Element-wise activations on the CPU: one read and one write of each tensor, the coefficient gradients on
// the way. A formula gives fold, forward, backward, coefficient_sums and add_coefficient_sums (native/math).
#pragma once
#include "cpu/chunks.h"

namespace polycom {
namespace cpu {
namespace {

template <class F>
auto folded(const activation_call& call) {
  const float bias = call.bias == nullptr ? 0.0f : *call.bias;
  return F::template fold<float>(call.weight, bias);
}

// A run of contiguous elements: where each tensor has it. Those that the call lacks are null.
template <class T>
struct run_of {
  const T *x, *up, *dy;
  T *out, *dup;

  run_of(const activation_call& call, int64_t row, int64_t col)
      : x(at<const T>(call.x, row, col)),
        up(at<const T>(call.up, row, col)),
        dy(at<const T>(call.dy, row, col)),
        out(at<T>(call.out, row, col)),
        dup(at<T>(call.dup, row, col)) {}

  template <class E>
  static E* at(const matrix& m, int64_t row, int64_t col) {
    return m.data == nullptr ? nullptr : m.row<E>(row) + col;
  }
};

// body(run, n) for each run of contiguous elements of a chunk.
template <class T, class Body>
PC_INLINE void for_each_run(const activation_call& call, const chunk& c, Body body) {
  const int64_t width = c.col_end - c.col;
  if (call.contiguous && c.col == 0 && c.col_end == call.cols)
    return body(run_of<T>(call, c.row, c.col), (c.row_end - c.row) * width);
  for (int64_t r = c.row; r < c.row_end; ++r) body(run_of<T>(call, r, c.col), width);
}

template <class F, class T, bool Gated>
pc_status forward_as(pc_queue& queue, const activation_call& call) {
  const bool streaming = too_large_to_cache(call.rows * call.cols * int64_t(sizeof(T)));
  const auto coefficients = folded<F>(call);
  for_each_chunk(queue, call, false, [&](const chunk& c, int64_t) {
    for_each_run<T>(call, c, [&](const run_of<T>& run, int64_t n) {
      map(output<T>{run.out}, n, streaming, [&](int64_t i, int64_t count) {
        const vec y = F::forward(load_up_to(run.x + i, count), coefficients);
        return Gated ? y * load_up_to(run.up + i, count) : y;
      });
    });
    if (streaming) fence_streaming();
  });
  return PC_OK;
}

// The gradient that reaches the formula: dy, or dy times what the gate multiplies.
template <bool Gated, class T>
PC_INLINE vec formula_gradient(const run_of<T>& run, int64_t i, int64_t count) {
  const vec g = load_up_to(run.dy + i, count);
  return Gated ? g * load_up_to(run.up + i, count) : g;
}

// A block of the coefficient gradients again, in double: its sums left float's range, or an input was not
// finite.
template <class F, bool Gated, class T, int N>
void add_sums_in_double(const run_of<T>& run, int64_t from, int64_t to, double (&total)[N]) {
  for (int64_t i = from; i < to; ++i) {
    const double g = load_one(run.dy + i) * (Gated ? load_one(run.up + i) : 1.0);
    F::add_coefficient_sums(load_one(run.x + i), g, total);
  }
}

template <class F, bool Gated, class T, int N>
PC_INLINE void add_coefficient_sums(const run_of<T>& run, int64_t from, int64_t to, double (&total)[N]) {
  lane_sums<N> lanes_of_sums;
  accumulate(to - from, lanes_of_sums, [&](int64_t i, int64_t count, vec* s) {
    F::add_coefficient_sums(load_up_to(run.x + from + i, count),
                            formula_gradient<Gated>(run, from + i, count), s);
  });
  double sums[N];
  lanes_of_sums.total(sums);
  bool finite = true;
  for (double sum : sums) finite = finite && sum - sum == 0;
  if (!finite) return add_sums_in_double<F, Gated>(run, from, to, total);
  for (int k = 0; k < N; ++k) total[k] += sums[k];
}

template <class F, bool Gated, class T, class C>
PC_INLINE void map_backward(const run_of<T>& run, int64_t from, int64_t to, const C& coefficients,
                            bool streaming) {
  if constexpr (Gated) {
    const two_outputs<T> out{{run.out + from}, {run.dup + from}};
    map(out, to - from, streaming, [&](int64_t i, int64_t count) {
      const vec x = load_up_to(run.x + from + i, count), dy = load_up_to(run.dy + from + i, count);
      const vec up = load_up_to(run.up + from + i, count);
      return vec_pair{F::backward(x, dy * up, coefficients), dy * F::forward(x, coefficients)};
    });
  } else {
    map(output<T>{run.out + from}, to - from, streaming, [&](int64_t i, int64_t count) {
      return F::backward(load_up_to(run.x + from + i, count), load_up_to(run.dy + from + i, count),
                         coefficients);
    });
  }
}

template <class F, class T, bool Gated>
pc_status backward_as(pc_queue& queue, const activation_call& call) {
  constexpr int N = F::coefficient_sums;
  const bool streaming = too_large_to_cache(call.rows * call.cols * int64_t(sizeof(T)));
  const auto coefficients = folded<F>(call);
  for_each_chunk(queue, call, false, [&](const chunk& c, int64_t index) {
    double total[N > 0 ? N : 1] = {};
    for_each_run<T>(call, c, [&](const run_of<T>& run, int64_t n) {
      // By blocks so small that their second reading, for the sums, comes from the first-level cache.
      for (int64_t from = 0; from < n; from += block) {
        const int64_t to = n - from < block ? n : from + block;
        map_backward<F, Gated>(run, from, to, coefficients, streaming);
        if constexpr (N > 0) add_coefficient_sums<F, Gated>(run, from, to, total);
      }
    });
    if constexpr (N > 0) memcpy(call.partials + index * N, total, N * sizeof(double));
    if (streaming) fence_streaming();
  });
  if constexpr (N > 0) sum_partials(call, false);
  return PC_OK;
}

// A formula's passes, in the call's storage.
template <class F, bool Gated = false>
pc_status elementwise_forward(pc_queue& queue, const activation_call& call) {
  return with_storage(
      call.dtype, [&](auto tag) { return forward_as<F, typename decltype(tag)::type, Gated>(queue, call); });
}
template <class F, bool Gated = false>
pc_status elementwise_backward(pc_queue& queue, const activation_call& call) {
  return with_storage(
      call.dtype, [&](auto tag) { return backward_as<F, typename decltype(tag)::type, Gated>(queue, call); });
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
