// xIELU (Huang and Schlag 2024, arXiv 2411.13010), with two learned parameters:
//
//   y = a_p x^2 + b x                          where x > 0,    a_p = softplus(alpha_p)
//   y = a_n (expm1(min(x, e)) - x) + b x       elsewhere,      a_n = b + softplus(alpha_n),   e = -1e-6
//
//   dx = g (2 a_p x + b), or g (a_n expm1(min(x, e)) + b): the derivative of the paper, which e does not cut off
//   da_p = sum g x^2, da_n = sum g (expm1(min(x, e)) - x), each over its side; softplus' is the logistic function
//
// Below 0, y is summed as a_n expm1(min(x, e)) - softplus(alpha_n) x, which overflows only where y does.
#pragma once
#include "exponential.h"
#include "formula.h"

namespace polycom {

struct xielu : formula {
  static constexpr int sums = 2;

  template <class T>
  struct constants {
    T positive, negative, linear;  // a_p, a_n, b
    T slack;                       // a_n - b
  };

  // Parameters: alpha_p, alpha_n; scalars: beta.
  template <class T>
  PC_MATH constants<T> fold(const formula_inputs& in) {
    const T linear = T(in.scalars[0]), slack = T(softplus(in.parameters[1][0]));
    return {T(softplus(in.parameters[0][0])), linear + slack, linear, slack};
  }

  template <class V, class T>
  PC_MATH V forward(V x, const constants<T>& c) {
    return x > 0 ? (x * c.positive + c.linear) * x : less_one(x) * c.negative - x * c.slack;
  }

  template <class V, class T>
  PC_MATH V backward(V x, V g, const constants<T>& c) {
    return g * (x > 0 ? x * (c.positive + c.positive) + c.linear : less_one(x) * c.negative + c.linear);
  }

  template <class V, class T>
  PC_MATH void add_sums(V x, V g, const constants<T>&, V* s) {
    const V zero = zero_like(x);
    s[0] += x > 0 ? g * x * x : zero;
    s[1] += x > 0 ? zero : g * (less_one(x) - x);
  }

  PC_MATH void finish(int k, double sum, const formula_inputs& in, float* const* gradients) {
    if (k == 0) {
      gradients[0][0] = float(sum * logistic(in.parameters[0][0]));
    } else {
      gradients[1][0] = float(sum * logistic(in.parameters[1][0]));
    }
  }

 private:
  PC_MATH float softplus(float x) { return (x > 0 ? x : 0) + log1pf(expf(x > 0 ? -x : x)); }

  // expm1(min(x, e)).
  template <class V>
  PC_MATH V less_one(V x) {
    const V most = zero_like(x) - 1e-6f;
    return exponentials(x > most ? most : x, zero_like(x)).less_one;
  }
  PC_MATH double less_one(double x) { return expm1(x > -1e-6 ? -1e-6 : x); }
};

}  // namespace polycom
