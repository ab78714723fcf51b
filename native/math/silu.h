// SiLU (Elfwing et al. 2017, arXiv 1702.03118): y = x s, s = 1 / (1 + exp(-x)); dx = g s (1 + x (1 - s)).
#pragma once
#include "exponential.h"

namespace polycom {

struct silu : without_coefficients {
  template <class V>
  PC_MATH V forward(V x, const coefficients&) {
    return x * logistic(x);
  }

  template <class V>
  PC_MATH V backward(V x, V g, const coefficients&) {
    const V s = logistic(x);
    return g * (s * (1.0f + x * (1.0f - s)));
  }
};

}  // namespace polycom
