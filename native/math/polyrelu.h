// PolyReLU (arXiv 2411.03884), element by element, order R, with s = max(x, 0):
//
//   y  = b + sum_p a_p s^p
//   dx = g sum_p p a_p s^(p-1) where x > 0, else 0
//   da_p = sum g s^p,   db = sum g
//
// A NaN stays one, in y and in dx.
#pragma once
#include "polynomial.h"

namespace polycom {

template <int R>
struct polyrelu_of : polynomial<R> {
  template <class T>
  struct constants {
    T a[R + 1];  // a[0] = bias, a[p] multiplies s^p
  };

  template <class T>
  PC_MATH constants<T> fold(const formula_inputs& in) {
    constants<T> folded;
    folded.a[0] = T(in.parameters[1][0]);
    for (int p = 1; p <= R; ++p) folded.a[p] = T(in.parameters[0][R - p]);
    return folded;
  }

  template <class V, class T>
  PC_MATH V forward(V x, const constants<T>& c) {
    const V s = positive(x);
    V y = zero_like(x) + c.a[R];
    for (int p = R - 1; p >= 0; --p) y = y * s + c.a[p];
    return y;
  }

  template <class V, class T>
  PC_MATH V backward(V x, V g, const constants<T>& c) {
    V slope = zero_like(x) + T(R) * c.a[R];
    for (int p = R - 1; p >= 1; --p) slope = slope * x + T(p) * c.a[p];
    return x <= 0 ? zero_like(x) : g * slope;
  }

  // [p] = sum g s^p.
  template <class V, class C>
  PC_MATH void add_sums(V x, V g, const C&, V* sums) {
    const V s = positive(x);
    V product = g;
    sums[0] += g;
    for (int p = 1; p <= R; ++p) {
      sums[p] += product * s;
      product = product * s;
    }
  }

 private:
  // By the comparison that backward makes.
  template <class V>
  PC_MATH V positive(V x) {
    return x <= 0 ? zero_like(x) : x;
  }
};

struct polyrelu : formula {};

template <class Run>
static inline auto with_variant(polyrelu, const formula_inputs& in, Run run) {
  return with_order(in.order, [&](auto tag) { return run(polyrelu_of<decltype(tag)::order>{}); });
}

}  // namespace polycom
