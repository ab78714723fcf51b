// PolyNorm on the CPU: a row is read once from memory, summed, folded, and written while it is still in
// cache.
#include "math/polynorm.h"

#include "cpu/simd.h"

namespace polycom {
namespace cpu {
namespace {

using formula = polynorm<3>;
constexpr int order = formula::order;

// A row that leaves float's range, again, element by element in double.
template <int N, class Add>
void sums_in_double(int64_t n, double (&sums)[N], Add add) {
  for (double& sum : sums) sum = 0;
  for (int64_t i = 0; i < n; ++i) add(i, sums);
}

template <int N>
PC_INLINE void to_means(double (&sums)[N], double inverse_cols) {
  for (int p = 0; p < order; ++p) sums[p] *= inverse_cols;
}

void forward_row_in_double(const float* x, float* y, const activation_call& call, double inverse_cols) {
  double sums[formula::forward_sums];
  sums_in_double(call.cols, sums, [&](int64_t i, double* s) { formula::add_moments(double(x[i]), s); });
  to_means(sums, inverse_cols);
  const auto row = formula::fold_forward<double>(sums, double(call.epsilon), call.weight, *call.bias);
  for (int64_t i = 0; i < call.cols; ++i) y[i] = float(formula::forward(double(x[i]), row));
}

void forward_row(const float* x, float* y, const activation_call& call, double inverse_cols, bool streaming) {
  double sums[formula::forward_sums];
  lane_sums<formula::forward_sums> lanes_of_sums;
  accumulate(call.cols, lanes_of_sums,
             [&](int64_t i, int64_t n, vec* s) { formula::add_moments(load_up_to(x + i, n), s); });
  lanes_of_sums.total(sums);
  to_means(sums, inverse_cols);
  if (formula::leaves_float(sums, double(call.epsilon)))
    return forward_row_in_double(x, y, call, inverse_cols);
  const auto row = formula::fold_forward<float>(sums, double(call.epsilon), call.weight, *call.bias);
  map(
      y, call.cols, streaming,
      [&](int64_t i, int64_t n) {
        __builtin_prefetch(x + call.x.stride + i);  // the next row comes in while this one goes out
        return load_up_to(x + i, n);
      },
      [&](vec v) { return formula::forward(v, row); });
}

// `gradients` receives the row's share of the coefficient gradients.
void backward_row_in_double(const float* x, const float* g, float* dx, const activation_call& call,
                            double inverse_cols, double* gradients) {
  double sums[formula::backward_sums];
  sums_in_double(call.cols, sums, [&](int64_t i, double* s) {
    formula::add_moments_and_products(double(x[i]), double(g[i]), s);
  });
  to_means(sums, inverse_cols);
  const auto row = formula::fold_backward<double>(sums, sums + order, inverse_cols, double(call.epsilon),
                                                  call.weight, gradients);
  for (int64_t i = 0; i < call.cols; ++i) dx[i] = float(formula::backward(double(x[i]), double(g[i]), row));
}

void backward_row(const float* x, const float* g, float* dx, const activation_call& call, double inverse_cols,
                  bool streaming, double* gradients) {
  double sums[formula::backward_sums];
  lane_sums<formula::backward_sums> lanes_of_sums;
  accumulate(call.cols, lanes_of_sums, [&](int64_t i, int64_t n, vec* s) {
    formula::add_moments_and_products(load_up_to(x + i, n), load_up_to(g + i, n), s);
  });
  lanes_of_sums.total(sums);
  to_means(sums, inverse_cols);
  bool in_float = !formula::leaves_float(sums, double(call.epsilon));
  for (int p = 0; p <= order; ++p) in_float = in_float && sums[order + p] - sums[order + p] == 0;
  if (!in_float) return backward_row_in_double(x, g, dx, call, inverse_cols, gradients);
  const auto row = formula::fold_backward<float>(sums, sums + order, inverse_cols, double(call.epsilon),
                                                 call.weight, gradients);
  struct pair {
    vec x, g;
  };
  map(
      dx, call.cols, streaming,
      [&](int64_t i, int64_t n) {
        __builtin_prefetch(x + call.x.stride + i);
        __builtin_prefetch(g + call.dy.stride + i);
        return pair{load_up_to(x + i, n), load_up_to(g + i, n)};
      },
      [&](pair v) { return formula::backward(v.x, v.g, row); });
}

}  // namespace

namespace PC_ISA {

pc_status polynorm_forward(pc_queue& queue, const activation_call& call) {
  const double inverse_cols = 1.0 / double(call.cols);
  const bool streaming = too_large_to_cache(call.rows * call.cols * 4);
  for_each_chunk(queue, call, true, [&](const chunk& c, int64_t) {
    for (int64_t r = c.row; r < c.row_end; ++r) {
      forward_row(call.x.row<const float>(r), call.out.row<float>(r), call, inverse_cols, streaming);
    }
    if (streaming) fence_streaming();
  });
  return PC_OK;
}

pc_status polynorm_backward(pc_queue& queue, const activation_call& call) {
  const double inverse_cols = 1.0 / double(call.cols);
  const bool streaming = too_large_to_cache(call.rows * call.cols * 4);
  for_each_chunk(queue, call, true, [&](const chunk& c, int64_t index) {
    double total[order + 1] = {};
    for (int64_t r = c.row; r < c.row_end; ++r) {
      double gradients[order + 1];
      backward_row(call.x.row<const float>(r), call.dy.row<const float>(r), call.out.row<float>(r), call,
                   inverse_cols, streaming, gradients);
      for (int p = 0; p <= order; ++p) total[p] += gradients[p];
    }
    memcpy(call.partials + index * (order + 1), total, sizeof total);
    if (streaming) fence_streaming();
  });
  sum_partials(call, true);
  return PC_OK;
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
