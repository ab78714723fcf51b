// PolyReLU (arXiv 2411.03884), element by element, order R, with s = max(x, 0):
//
//   y  = b + sum_p a_p s^p
//   dx = g sum_p p a_p s^(p-1) where x > 0, else 0
//   da_p = sum g s^p,   db = sum g
//
// A NaN stays one, in y and in dx.
#pragma once
#include "portable.h"

namespace polycom {

template <int R>
struct polyrelu {
  static constexpr int order = R;
  // What the coefficient gradients sum: [p] = sum g s^p, p = 0..R.
  static constexpr int coefficient_sums = R + 1;

  template <class T>
  struct coefficients {
    T a[R + 1];  // a[0] = bias, a[p] multiplies s^p
  };

  // weight: highest power first.
  template <class T>
  PC_MATH coefficients<T> fold(const float* weight, float bias) {
    coefficients<T> folded;
    folded.a[0] = T(bias);
    for (int p = 1; p <= R; ++p) folded.a[p] = T(weight[R - p]);
    return folded;
  }

  template <class V, class T>
  PC_MATH V forward(V x, const coefficients<T>& c) {
    V s = positive_part(x);
    V y = zero_like(x) + c.a[R];
    for (int p = R - 1; p >= 0; --p) y = y * s + c.a[p];
    return y;
  }

  template <class V, class T>
  PC_MATH V backward(V x, V g, const coefficients<T>& c) {
    V slope = zero_like(x) + T(R) * c.a[R];
    for (int p = R - 1; p >= 1; --p) slope = slope * x + T(p) * c.a[p];
    return x <= 0 ? zero_like(x) : g * slope;
  }

  template <class V>
  PC_MATH void add_coefficient_sums(V x, V g, V* sums) {
    V s = positive_part(x);
    V product = g;
    for (int p = 0; p <= R; ++p) {
      sums[p] += product;
      if (p < R) product = product * s;
    }
  }
};

}  // namespace polycom
