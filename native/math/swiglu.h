// SwiGLU (Shazeer 2020, arXiv 2002.05202): y = SiLU(gate) up; and with a limit L, as gpt-oss has it (L = 7,
// alpha = 1.702, shift = 1) and DeepSeek-V4 (L = 10):
//
//   y = h v,   h = g s,   s = 1 / (1 + exp(-alpha g)),   g = min(gate, L),   v = clamp(up, -L, L) + shift
//
//   dgate = dy v s (1 + alpha g (1 - s)) where gate <= L, else 0
//   dup   = dy h                         where |up| <= L, else 0
//
// or with the limit after SiLU (Step-3.5): g = gate, h = min(g s, L), and dgate = 0 where g s > L.
// A NaN stays one, in y and in the gradients.
#pragma once
#include "silu.h"

namespace polycom {

using plain_swiglu = gated<silu>;

struct limited_swiglu : gated_formula {
  static constexpr bool is_long = true;

  template <class T>
  struct constants {
    T alpha, alpha_rest;  // as a float and what that leaves
    T reach;              // beyond it, exp(-alpha g) is 0 or infinite in float
    T gate_limit, limit;  // of the gate, and of its SiLU: one of them infinite
    T up_limit, shift;
  };

  // Scalars: limit (0: none), alpha, shift, clamp (0: the gate, 1: its SiLU).
  template <class T>
  PC_MATH constants<T> fold(const formula_inputs& in) {
    const double alpha = in.scalars[1], size = alpha < 0 ? -alpha : alpha;
    const T none = T(INFINITY), limit = in.scalars[0] == 0 ? none : T(in.scalars[0]);
    const bool after = in.scalars[3] == 1;
    return {T(alpha),
            T(alpha - double(T(alpha))),
            T(size > 1e-16 ? 120 / size : 1e18),
            after ? none : limit,
            after ? limit : none,
            limit,
            T(in.scalars[2])};
  }

  template <class V, class T>
  PC_MATH V forward(V gate, V up, const constants<T>& c) {
    const V g = at_most(gate, c.gate_limit);
    const V near = limited(g, c.reach), z = near * c.alpha;
    return at_most(g * logistics(z, rest_of(near, z, c)).rising, c.limit) *
           (limited(up, c.up_limit) + c.shift);
  }

  template <class V, class T>
  PC_MATH void backward(V gate, V up, V dy, const constants<T>& c, V* dgate, V* dup) {
    const V zero = zero_like(gate), g = at_most(gate, c.gate_limit);
    const V near = limited(g, c.reach), z = near * c.alpha;
    const logistic_pair<V> s = logistics(z, rest_of(near, z, c));
    const V h = g * s.rising, v = limited(up, c.up_limit) + c.shift;
    const V slope = dy * v * (s.rising * (1.0f + z * s.falling));
    *dgate = gate > zero + c.gate_limit ? zero : h > zero + c.limit ? zero : slope;
    const V magnitude = up < 0 ? -up : up;
    *dup = magnitude > zero + c.up_limit ? zero : dy * at_most(h, c.limit);
  }

 private:
  template <class V, class T>
  PC_MATH V at_most(V x, T limit) {
    const V most = zero_like(x) + limit;
    return x > most ? most : x;
  }

  // What rounding took of z = alpha g: the relative error of s, or of 1 - s, where that is small.
  template <class V, class T>
  PC_MATH V rest_of(V g, V z, const constants<T>& c) {
    return product_error(g, zero_like(g) + c.alpha, z) + g * c.alpha_rest;
  }
};

struct swiglu {};

template <class Run>
static inline auto with_variant(swiglu, const formula_inputs& in, Run run) {
  const bool plain = in.scalars[0] == 0 && in.scalars[1] == 1 && in.scalars[2] == 0;
  return plain ? run(plain_swiglu{}) : run(limited_swiglu{});
}

}  // namespace polycom
