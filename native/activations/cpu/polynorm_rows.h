// PolyNorm over narrow rows on the CPU, several at once: see runtime/cpu/rows.h.
#pragma once
#include "polynorm_row.h"
#include "runtime/cpu/arithmetic.h"
#include "runtime/cpu/rows.h"

namespace polycom {
namespace cpu {
namespace {

// For each lane's row: r of every power, and whether float cannot carry the row.
template <int R>
struct folded_rows {
  vec inverse_roots[R];
  mask_vec leaves_float;

  PC_INLINE folded_rows(const vec* moments, float inverse_count, float epsilon) {
    for (int p = 0; p < R; ++p) {
      const vec mean = moments[p] * inverse_count, square = mean + epsilon;
      inverse_roots[p] = square == 0 ? vec{} : finite_reciprocal_root(square);
      leaves_float = ~(mean <= 1e30f) | (square < 1e-30f);
    }
  }
};

// Row r by itself: rare, and out of line, so that it takes no registers from the others.
template <class RowOf, class OutOf>
__attribute__((noinline)) void forward_alone(const RowOf& row_of, const OutOf& out_of, int64_t r) {
  row_of(r).forward(out_of(r));
}
template <class RowOf, class OutOf>
__attribute__((noinline)) void backward_alone(const RowOf& row_of, const OutOf& out_of, int64_t r,
                                              double* gradients) {
  row_of(r).backward(out_of(r), gradients);
}

// row_of(r), out_of(r): row r, and where its results go, for r from 0 to `count`, at most `lanes`.
template <int R, class Call, class RowOf, class OutOf>
__attribute__((noinline)) void forward_rows(const Call& call, int64_t count, RowOf row_of, OutOf out_of) {
  vec moments[R];
  sum_rows<R>(
      call.cols, count, row_of,
      [](const auto& row, int64_t i, int64_t n, vec* s) { row.add_moments(i, n, s); }, moments);
  const folded_rows<R> folded(moments, call.inverse, call.epsilon);
  row_coefficients<R + 1> c;
  c.put(0, vec{} + *call.bias);
  for (int p = 1; p <= R; ++p) c.put(p, call.weight[R - p] * folded.inverse_roots[p - 1]);
  for (int64_t r = 0; r < count; ++r) {
    if (folded.leaves_float[r]) {
      forward_alone(row_of, out_of, r);
      continue;
    }
    typename polynorm<R>::template forward_row<float> own;
    for (int p = 0; p <= R; ++p) own.c[p] = c.of[p][r];
    row_of(r).put_forward(out_of(r), own, lanes);
  }
}

// The rows' shares of the coefficients' gradients are added to `gradients`.
template <int R, class Call, class RowOf, class OutOf>
__attribute__((noinline)) void backward_rows(const Call& call, int64_t count, RowOf row_of, OutOf out_of,
                                             double* gradients) {
  vec sums[2 * R + 1];
  sum_rows<R>(
      call.cols, count, row_of, [](const auto& row, int64_t i, int64_t n, vec* s) { row.add_all(i, n, s); },
      sums);
  const vec* products = sums + R;
  folded_rows<R> folded(sums, call.inverse, call.epsilon);
  for (int p = 0; p <= R; ++p) folded.leaves_float |= ~(products[p] - products[p] == 0);
  row_coefficients<R + 1> c;
  row_coefficients<R> slopes, pulls;
  c.put(0, vec{} + *call.bias);
  vec shares[R + 1];
  shares[0] = products[0];
  for (int p = 1; p <= R; ++p) {
    const vec root = folded.inverse_roots[p - 1], coefficient = call.weight[R - p] * root;
    const vec slope = float(p) * coefficient;
    shares[p] = root * products[p];
    c.put(p, coefficient);
    slopes.put(p - 1, slope);
    pulls.put(p - 1, slope * (root * (shares[p] * call.inverse)));
  }
  for (int p = 0; p <= R; ++p) gradients[p] += sum_of_lanes(widened(folded.leaves_float ? vec{} : shares[p]));
  for (int64_t r = 0; r < count; ++r) {
    if (folded.leaves_float[r]) {
      double own[R + 1];
      backward_alone(row_of, out_of, r, own);
      for (int p = 0; p <= R; ++p) gradients[p] += own[p];
      continue;
    }
    typename polynorm<R>::template backward_row<float> own;
    for (int p = 0; p < R; ++p) {
      own.slope[p] = slopes.of[p][r];
      own.k[p] = pulls.of[p][r];
    }
    row_of(r).put_backward(out_of(r), own, [&] {
      typename polynorm<R>::template forward_row<float> forward;
      for (int p = 0; p <= R; ++p) forward.c[p] = c.of[p][r];
      return forward;
    });
  }
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
