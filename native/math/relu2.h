// ReLU squared (So et al. 2021, arXiv 2109.08668): y = max(x, 0)^2, dx = 2 g max(x, 0).
// It has no coefficients; the empty fold lets it share the element-wise kernels.
#pragma once
#include "portable.h"

namespace polycom {

struct relu2 {
  static constexpr int order = 0;
  static constexpr int coefficient_sums = 0;

  template <class T>
  struct coefficients {};

  template <class T>
  PC_MATH coefficients<T> fold(const float*, float) {
    return {};
  }

  template <class V, class T>
  PC_MATH V forward(V x, const coefficients<T>&) {
    V s = positive_part(x);
    return s * s;
  }

  template <class V, class T>
  PC_MATH V backward(V x, V g, const coefficients<T>&) {
    return x <= 0 ? zero_like(x) : (g + g) * x;
  }

  template <class V>
  PC_MATH void add_coefficient_sums(V, V, V*) {}
};

}  // namespace polycom
