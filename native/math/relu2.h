// ReLU squared (So et al. 2021, arXiv 2109.08668): y = max(x, 0)^2, dx = 2 g max(x, 0).
#pragma once
#include "portable.h"

namespace polycom {

struct relu2 : without_coefficients {
  template <class V>
  PC_MATH V forward(V x, const coefficients&) {
    V s = positive_part(x);
    return s * s;
  }

  template <class V>
  PC_MATH V backward(V x, V g, const coefficients&) {
    return x <= 0 ? zero_like(x) : (g + g) * x;
  }
};

}  // namespace polycom
