// GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415): y = x P(x), P the normal distribution function, and its
// approximation by tanh.
#pragma once
#include "exponential.h"

namespace polycom {

// dx = g (P + x p), p(x) = exp(-x^2 / 2) / sqrt(2 pi).
struct gelu : without_coefficients {
  template <class V>
  PC_MATH V forward(V x, const coefficients&) {
    return x * distribution(x, bell(x));
  }

  template <class V>
  PC_MATH V backward(V x, V g, const coefficients&) {
    const V e = bell(x);
    return g * (distribution(x, e) + x * (e * 0.398942280401432678f));
  }

 private:
  // exp(-x^2 / 2): the square's rounding error, times x^2 / 2 in the tail, is put back.
  template <class V>
  PC_MATH V bell(V x) {
    const V near = limited(x, 20.0f);
    const V square = near * near;
    return exponential(square * -0.5f, product_error(near, near, square) * -0.5f);
  }

  // P(-|x|) = exp(-x^2 / 2) q(t), t = 1 / (1 + |x| / 4), so that no digit of the tail is lost. q is a
  // least-squares fit in relative terms, within 3.4e-8 of exp(z^2) erfc(z) / 2, z = |x| / sqrt(2).
  template <class V>
  PC_MATH V distribution(V x, V e) {
    const V magnitude = x < 0 ? -x : x;
    const V t = reciprocal(1.0f + magnitude * 0.25f);
    V q = zero_like(x) + 0.0197848044f;
    q = q * t - 0.0808896571f;
    q = q * t + 0.0956198722f;
    q = q * t - 0.0317403339f;
    q = q * t + 0.0637125596f;
    q = q * t + 0.0589704104f;
    q = q * t + 0.0816040784f;
    q = q * t + 0.0934662521f;
    q = q * t + 0.0997364372f;
    q = q * t + 0.0997355655f;
    const V tail = e * (q * t);
    return x < 0 ? tail : 1.0f - tail;
  }
};

// y = x (1 + tanh u) / 2 = x s, s = 1 / (1 + exp(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3);
// dx = g (s + 2 x s (1 - s) du/dx). Beyond |x| = 20, s is 0 or 1 in float; x^3 is not formed there.
struct gelu_tanh : without_coefficients {
  template <class V>
  PC_MATH V forward(V x, const coefficients&) {
    return x * logistic_of(exponent(limited(x, 20.0f)));
  }

  template <class V>
  PC_MATH V backward(V x, V g, const coefficients&) {
    const V near = limited(x, 20.0f);
    const V e = exponent(near);
    const V s = logistic_of(e);
    const V zero = zero_like(x);
    const V rest = e > zero + 3e38f ? zero + 1.0f : e * s;  // 1 - s, which would cancel
    const V slope = (near * near * 0.134145f + 1.0f) * 1.59576912160573071f;
    return g * (s + near * (s * rest) * slope);
  }

 private:
  // exp(-2u), 2u to twice float's digits: in the tail, the relative error of s is 2u's absolute one. The
  // numbers are sqrt(8 / pi) and 0.044715 sqrt(8 / pi), each as a float and the rest.
  template <class V>
  PC_MATH V exponent(V x) {
    constexpr float linear = 1.59576917f, linear_rest = -4.53406803e-8f;
    constexpr float cubic = 0.0713548139f, cubic_rest = 2.3988324e-9f;
    const V square = x * x, square_rest = product_error(x, x, square);
    const V term = square * cubic;
    const V term_rest =
        product_error(square, zero_like(x) + cubic, term) + (square * cubic_rest + square_rest * cubic);
    const V slope = linear + term, part = slope - linear;
    const V slope_rest = ((linear - (slope - part)) + (term - part)) + (linear_rest + term_rest);
    const V twice_u = slope * x;
    return exponential(-twice_u, -(product_error(slope, x, twice_u) + slope_rest * x));
  }

  template <class V>
  PC_MATH V logistic_of(V e) {
    return reciprocal(1.0f + e);
  }
};

}  // namespace polycom
