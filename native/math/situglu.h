// SiTU-GLU (Kimi K3's technical report, Eq. 12), a gate and what it multiplies both softly limited:
//
//   y = t s v,   t = b tanh(gate / b),   s = 1 / (1 + exp(-gate)),   v = l tanh(up / l)
//
//   dgate = g v (t' s + t s (1 - s)),   dup = g t s v',   t' = 1 - tanh(gate / b)^2,   v' = 1 - tanh(up / l)^2
#pragma once
#include "formula.h"
#include "hyperbolic.h"

namespace polycom {

struct situglu : gated_formula {
  static constexpr bool is_long = true;

  template <class T>
  struct constants {
    T beta, linear;
    tanh_scale gate, up;
  };

  // Scalars: beta, linear.
  template <class T>
  PC_MATH constants<T> fold(const formula_inputs& in) {
    const double beta = in.scalars[0], linear = in.scalars[1];
    return {T(beta), T(linear), tanh_scale::of(beta), tanh_scale::of(linear)};
  }

  template <class V, class T>
  PC_MATH V forward(V gate, V up, const constants<T>& c) {
    const V t = scaled_tanh(gate, c.gate).value * c.beta, v = scaled_tanh(up, c.up).value * c.linear;
    return t * logistics(gate, zero_like(gate)).rising * v;
  }

  template <class V, class T>
  PC_MATH void backward(V gate, V up, V g, const constants<T>& c, V* dgate, V* dup) {
    const tangent<V> t = scaled_tanh(gate, c.gate), v = scaled_tanh(up, c.up);
    const logistic_pair<V> s = logistics(gate, zero_like(gate));
    const V value = t.value * c.beta;
    *dgate = g * (v.value * c.linear) * (s.rising * (t.slope + value * s.falling));
    *dup = g * (value * s.rising) * v.slope;
  }
};

}  // namespace polycom
