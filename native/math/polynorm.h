// PolyNorm (arXiv 2411.03884, and its official code), over a row x of H elements, order R:
//
//   y = b + sum_p a_p n_p,   n_p = x^p r_p,   r_p = 1 / sqrt(mean(x^2p) + epsilon),   p = 1..R
//
// Backward, with S_p = sum_k g_k x_k^p and g = dL/dy:
//
//   dx   = sum_p p a_p r_p x^(p-1) (g - n_p r_p S_p / H)
//   da_p = sum over rows of r_p S_p,   db = sum g
//
// One sweep over a row gives every sum; folding them gives two polynomials, c and k, and a second sweep
//
//   y  = c_0 + c_1 x + ... + c_R x^R,                        c_p = a_p r_p
//   dx = g (c_1 + 2 c_2 x + 3 c_3 x^2) - x (k_1 + k_2 x^2 + k_3 x^4),   k_p = p c_p r_p (r_p S_p / H)
//
// r^3 is never formed: it goes subnormal near |x| = 1e4.
//
// With the L2 norm (the paper's Eq. 3), sums stand where the means are, and 1 where 1 / H is.
#pragma once
#include "portable.h"

namespace polycom {

template <int R>
struct polynorm {
  static constexpr int order = R;

  // What one sweep over a row gathers. Forward needs the first R, backward all.
  // [0, R): sum x^2p, p = 1..R.   [R, 2R]: sum g x^p, p = 0..R.
  static constexpr int forward_sums = R;
  static constexpr int backward_sums = 2 * R + 1;

  template <class V>
  PC_MATH void add_moments(V x, V* sums) {
    V power = x;
    for (int p = 0; p < R; ++p) {
      sums[p] += power * power;
      power = power * x;
    }
  }

  template <class V>
  PC_MATH void add_moments_and_products(V x, V g, V* sums) {
    V power = x;
    sums[R] += g;
    for (int p = 0; p < R; ++p) {
      sums[p] += power * power;
      sums[R + 1 + p] += g * power;
      power = power * x;
    }
  }

  // T is float, or double for a row that leaves float's range.
  template <class T>
  struct forward_row {
    T c[R + 1];
  };
  template <class T>
  struct backward_row {
    T slope[R];  // slope[p-1] = p c_p
    T k[R];      // k[p-1] = k_p
  };

  // 1 / sqrt(mean + epsilon), and 0 for a zero row with epsilon = 0: its normalised powers are 0.
  template <class T>
  PC_MATH T reciprocal_root(T mean, T epsilon) {
    T square = mean + epsilon;
    return square == T(0) ? T(0) : reciprocal_square_root(square);
  }
  // Of a row that float carries, whose moments are normal: one instruction on CUDA.
  PC_MATH float reciprocal_root(float mean, float epsilon) {
#if defined(__CUDA_ARCH__)
    float inverse;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(mean + epsilon));
    return inverse;
#else
    return reciprocal_root<float>(mean, epsilon);
#endif
  }

  // Whether float carries this row: above, x^2R overflows or the folded coefficients go subnormal; below,
  // with epsilon 0, the moments do. A row outside is done again in double. True for a NaN or infinite element
  // too: double gives the same NaN, at the same elements, as float would.
  template <class D>
  PC_MATH bool leaves_float(const D* means, D epsilon) {
    return !(means[R - 1] <= D(1e30)) || means[R - 1] + epsilon < D(1e-30);
  }

  // Whether float carries a row's backward pass: its moments, and its products behind them.
  template <class D>
  PC_MATH bool backward_leaves_float(const D* sums, D epsilon) {
    bool leaves = leaves_float(sums, epsilon);
    for (int p = 0; p <= R; ++p) leaves = leaves || !(sums[R + p] - sums[R + p] == 0);
    return leaves;
  }

  // The power of two by which a row that leaves float's range is scaled, so that not even double's is left:
  // x^8 of the largest float is not a double. Folding takes its square, and dx comes out divided by it.
  template <class D>
  PC_MATH double scale_into_double(const D* means, D epsilon) {
    if (!(means[R - 1] <= D(1e30))) return 0x1p-64;
    return means[R - 1] + epsilon < D(1e-30) ? 0x1p64 : 1.0;
  }

  // weight: highest power first. means[p-1] = mean(x^2p). Folded in D, kept in T.
  template <class T, class D>
  PC_MATH forward_row<T> fold_forward(const D* means, D epsilon, const float* weight, float bias,
                                      D scale_squared = D(1)) {
    forward_row<T> row;
    row.c[0] = T(bias);
    for (int p = 1; p <= R; ++p) {
      epsilon *= scale_squared;
      row.c[p] = T(D(weight[R - p]) * reciprocal_root(means[p - 1], epsilon));
    }
    return row;
  }

  // products[p] = S_p, p = 0..R. Writes the row's share of the coefficient gradients:
  // dcoefficients[0] = S_0 and dcoefficients[p] = r_p S_p.
  template <class T, class D>
  PC_MATH backward_row<T> fold_backward(const D* means, const D* products, D inverse_count, D epsilon,
                                        const float* weight, D* dcoefficients, D scale_squared = D(1)) {
    backward_row<T> row;
    dcoefficients[0] = products[0];
    for (int p = 1; p <= R; ++p) {
      epsilon *= scale_squared;
      D r = reciprocal_root(means[p - 1], epsilon);
      D slope = D(p) * D(weight[R - p]) * r;
      D projection = r * products[p];
      dcoefficients[p] = projection;
      row.slope[p - 1] = T(slope);
      row.k[p - 1] = T(slope * (r * (projection * inverse_count)));
    }
    return row;
  }

  template <class V, class T>
  PC_MATH V forward(V x, const forward_row<T>& row) {
    V y = zero_like(x) + row.c[R];
    for (int p = R - 1; p >= 0; --p) y = y * x + row.c[p];
    return y;
  }

  template <class V, class T>
  PC_MATH V backward(V x, V g, const backward_row<T>& row) {
    V square = x * x;
    V slope = zero_like(x) + row.slope[R - 1];
    V pull = zero_like(x) + row.k[R - 1];
    for (int p = R - 2; p >= 0; --p) {
      slope = slope * x + row.slope[p];
      pull = pull * square + row.k[p];
    }
    return g * slope - x * pull;
  }
};

}  // namespace polycom
