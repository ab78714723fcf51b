// PowLU (Jiang et al. 2026, arXiv 2605.25704): y = f(gate) up, with an exponent m, 1 to 10:
//
//   f(x) = x^a s where x > 0,   x s elsewhere;   a = m / (sqrt(x) + 1),   s = 1 / (1 + exp(-x))
//
// Above 0, with w = sqrt(x) / (sqrt(x) + 1) and h = x^(a - 1):
//
//   f' = s h (a (1 - w ln(x) / 2) + x (1 - s))
//
// h, not x^a / x: near 0, both fade to 0 together.
#pragma once
#include "exponential.h"
#include "formula.h"
#include "logarithm.h"

namespace polycom {

struct power_of_gate : formula {
  template <class T>
  struct constants {
    T exponent;  // m
    T step,
        step_rest;  // (m - 1) ln 2: a float of 15 bits, whose products with whole numbers are exact, and the rest
  };

  // Scalars: exponent.
  template <class T>
  PC_MATH constants<T> fold(const formula_inputs& in) {
    const double exponent = in.scalars[0] < 1e3 ? in.scalars[0] : 1e3;
    const double step = (exponent - 1) * 0.693147180559945309;
    const double high = double(int32_t(step * 4096)) / 4096;
    return {T(exponent), T(high), T(step - high)};
  }

  template <class V, class T>
  PC_MATH V forward(V x, const constants<T>& c) {
    return logistics(x, zero_like(x)).rising * (x > 0 ? power_of(x, c).value : x);
  }

  template <class V, class T>
  PC_MATH V backward(V x, V g, const constants<T>& c) {
    const logistic_pair<V> s = logistics(x, zero_like(x));
    const power<V> p = power_of(x, c);
    const V above = p.over_x * (p.a * (1.0f - 0.5f * p.w * p.ln) + p.x * s.falling);
    return g * (s.rising * (x > 0 ? above : 1.0f + x * s.falling));
  }

 private:
  template <class V>
  struct power {
    V x, a, w, ln;
    V value, over_x;  // x^a, x^(a - 1)
  };

  // Below 1, ln h = (m - 1) ln x - m w ln x, where the second part is small; what rounding takes of the sum is put
  // back, for it is the relative error of h. From 1 on, a ln x is small.
  template <class V, class T>
  PC_MATH power<V> power_of(V given, const constants<T>& c) {
    const V zero = zero_like(given), most = zero + 3.4e38f;
    const V x = given > 0 ? (given > most ? most : given) : zero + 1.0f;
    const V root = square_root(x);
    const V share = reciprocal(root + 1.0f);
    const V a = share * c.exponent, w = root * share;
    const logarithm<V> parts = logarithm_of(x);
    const V ln = parts.exponent * 0.693147181f + parts.rest;
    const V large = parts.exponent * c.step;
    const V small = parts.rest * (c.exponent - 1.0f) - w * ln * c.exponent + parts.exponent * c.step_rest;
    const V sum = large + small;
    const V e = exponential(x < 1.0f ? sum : a * ln, x < 1.0f ? (large - sum) + small : zero);
    return {x, a, w, ln, x < 1.0f ? e * x : e, x < 1.0f ? e : e * reciprocal(x)};
  }
};

using powlu = gated<power_of_gate>;

}  // namespace polycom
