// SiLU (Elfwing et al. 2017, arXiv 1702.03118): y = x s, s = 1 / (1 + exp(-x)); dx = g s (1 + x (1 - s)).
#pragma once
#include "exponential.h"
#include "formula.h"

namespace polycom {

struct silu : formula {
  template <class V>
  PC_MATH V forward(V x, const nothing&) {
    return x * logistic(x);
  }

  template <class V>
  PC_MATH V backward(V x, V g, const nothing&) {
    const V s = logistic(x);
    return g * (s * (1.0f + x * (1.0f - s)));
  }
};

// The same for results that are stored in 16 bits.
struct short_silu : formula {
  template <class V>
  PC_MATH V forward(V x, const nothing&) {
    return (x * 0.25f) * four_shares(short_exponential(-x));
  }

  template <class V>
  PC_MATH V backward(V x, V g, const nothing&) {
    const V s = four_shares(short_exponential(-x)) * 0.25f;
    return g * (s * (1.0f + x * (1.0f - s)));
  }
};

template <>
struct stored_in_16_bits<silu> {
  using type = short_silu;
};

}  // namespace polycom
