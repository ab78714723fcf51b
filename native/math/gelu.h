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
  template <class V>
  PC_MATH V bell(V x) {
    return exponential(x * x * -0.5f);
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
    return x * gate(limited(x, 20.0f));
  }

  template <class V>
  PC_MATH V backward(V x, V g, const coefficients&) {
    const V near = limited(x, 20.0f);
    const V s = gate(near);
    const V slope = (near * near * 0.134145f + 1.0f) * 1.59576912160573071f;
    return g * (s + near * (s * (1.0f - s)) * slope);
  }

 private:
  template <class V>
  PC_MATH V gate(V x) {
    return logistic((x * x * 0.044715f + 1.0f) * x * 1.59576912160573071f);
  }
};

}  // namespace polycom
