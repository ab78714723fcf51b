// ReLU squared (So et al. 2021, arXiv 2109.08668): y = max(x, 0)^2, dx = 2 g max(x, 0).
#pragma once
#include "formula.h"
#include "hyperbolic.h"

namespace polycom {

struct plain_relu2 : formula {
  template <class V>
  PC_MATH V forward(V x, const nothing&) {
    V s = positive_part(x);
    return s * s;
  }

  template <class V>
  PC_MATH V backward(V x, V g, const nothing&) {
    return x <= 0 ? zero_like(x) : (g + g) * x;
  }
};

// Its soft cap: y = c^2, c = s tanh(max(x, 0) / s); dx = 2 g c (1 - tanh(x / s)^2) where x > 0, else 0.
struct capped_relu2 : formula {
  static constexpr bool is_long = true;

  template <class T>
  struct constants {
    T cap;
    tanh_scale scale;
  };

  // Scalars: softcap (0: none).
  template <class T>
  PC_MATH constants<T> fold(const formula_inputs& in) {
    return {T(in.scalars[0]), tanh_scale::of(in.scalars[0])};
  }

  template <class V, class T>
  PC_MATH V forward(V x, const constants<T>& c) {
    const V capped = scaled_tanh(positive_part(x), c.scale).value * c.cap;
    return capped * capped;
  }

  template <class V, class T>
  PC_MATH V backward(V x, V g, const constants<T>& c) {
    const tangent<V> t = scaled_tanh(x, c.scale);
    return x <= 0 ? zero_like(x) : (g + g) * (t.value * c.cap) * t.slope;
  }
};

struct relu2 {};

template <class Run>
static inline auto with_variant(relu2, const formula_inputs& in, Run run) {
  return in.scalars[0] == 0 ? run(plain_relu2{}) : run(capped_relu2{});
}

}  // namespace polycom
