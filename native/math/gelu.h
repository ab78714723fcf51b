// GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415): y = x P(x), P the normal distribution function, and its
// approximation by tanh.
#pragma once
#include "exponential.h"
#include "formula.h"

namespace polycom {

// P(x), of which half is mirrored: P(-|x|) = exp(-x^2 / 2) q(t), t = 1 / (1 + |x| / 4), so that no digit of the tail
// is lost. q is a least-squares fit in relative terms to exp(z^2) erfc(z) / 2, z = |x| / sqrt(2).
struct normal_distribution {
  // e = exp(-x^2 / 2). q is within 3.4e-8.
  template <class V>
  PC_MATH V of(V x, V e) {
    const V t = share(x);
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
    return mirrored(x, e * (q * t));
  }

  // Within 3e-6.
  template <class V>
  PC_MATH V short_of(V x, V e) {
    const V t = share(x);
    V q = zero_like(x) - 0.0760937184f;
    q = q * t + 0.282675773f;
    q = q * t - 0.176902398f;
    q = q * t + 0.21062471f;
    q = q * t + 0.0544489138f;
    q = q * t + 0.105909832f;
    q = q * t + 0.0993382633f;
    return mirrored(x, e * (q * t));
  }

  // The slope of x P(x): P + x p, p(x) = e / sqrt(2 pi).
  template <class V>
  PC_MATH V slope(V x, V e) {
    return of(x, e) + x * (e * 0.398942280401432678f);
  }

 private:
  template <class V>
  PC_MATH V share(V x) {
    const V magnitude = x < 0 ? -x : x;
    return normal_reciprocal(1.0f + magnitude * 0.25f);
  }

  template <class V>
  PC_MATH V mirrored(V x, V tail) {
    return x < 0 ? tail : 1.0f - tail;
  }
};

// dx = g (P + x p).
struct gelu : formula {
  template <class V>
  PC_MATH V forward(V x, const nothing&) {
    return x * normal_distribution::of(x, bell(x));
  }

  template <class V>
  PC_MATH V backward(V x, V g, const nothing&) {
    return g * normal_distribution::slope(x, bell(x));
  }

 private:
  // exp(-x^2 / 2): the square's rounding error, times x^2 / 2 in the tail, is put back.
  template <class V>
  PC_MATH V bell(V x) {
    const V near = limited(x, 20.0f);
    const V square = near * near;
    return exponential(square * -0.5f, product_error(near, near, square) * -0.5f);
  }
};

// The same for results that are stored in 16 bits. Near -0.75, where the gradient's terms cancel, the longer
// polynomial is needed.
struct short_gelu : formula {
  template <class V>
  PC_MATH V forward(V x, const nothing&) {
    return x * normal_distribution::short_of(x, bell(x));
  }

  template <class V>
  PC_MATH V backward(V x, V g, const nothing&) {
    return g * normal_distribution::slope(x, bell(x));
  }

 private:
  template <class V>
  PC_MATH V bell(V x) {
    return short_exponential((x * x) * -0.5f);
  }
};

template <>
struct stored_in_16_bits<gelu> {
  using type = short_gelu;
};

// y = x (1 + tanh u) / 2 = x s, s = 1 / (1 + exp(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3);
// dx = g (s + 2 x s (1 - s) du/dx). Beyond |x| = 20, s is 0 or 1 in float; x^3 is not formed there.
struct gelu_by_tanh : formula {
 protected:
  // The slope of x s, of x within 20 and e = exp(-2u).
  template <class V>
  PC_MATH V slope(V x, V e, V s) {
    const V zero = zero_like(x);
    const V rest = e > zero + 3e38f ? zero + 1.0f : e * s;  // 1 - s, which would cancel
    const V steepness = (x * x * 0.134145f + 1.0f) * 1.59576912160573071f;
    return s + x * (s * rest) * steepness;  // that of 2u
  }
};

struct gelu_tanh : gelu_by_tanh {
  template <class V>
  PC_MATH V forward(V x, const nothing&) {
    return x * logistic_of(exponent(limited(x, 20.0f)));
  }

  template <class V>
  PC_MATH V backward(V x, V g, const nothing&) {
    const V near = limited(x, 20.0f);
    const V e = exponent(near);
    return g * slope(near, e, logistic_of(e));
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

// The same for results that are stored in 16 bits.
struct short_gelu_tanh : gelu_by_tanh {
  template <class V>
  PC_MATH V forward(V x, const nothing&) {
    return (x * 0.25f) * four_shares(exponent(x));
  }

  template <class V>
  PC_MATH V backward(V x, V g, const nothing&) {
    const V near = limited(x, 20.0f);
    const V e = exponent(near);
    return g * slope(near, e, four_shares(e) * 0.25f);
  }

 private:
  // exp(-2u). Of a large |x| the cube may be infinite.
  template <class V>
  PC_MATH V exponent(V x) {
    return short_exponential(-(x * (x * x * 0.0713548162726f + 1.59576912160573071f)));
  }
};

template <>
struct stored_in_16_bits<gelu_tanh> {
  using type = short_gelu_tanh;
};

// Scalars: approximate.
template <class Run>
static inline auto with_variant(gelu, const formula_inputs& in, Run run) {
  return in.scalars[0] == 1 ? run(gelu_tanh{}) : run(gelu{});
}

}  // namespace polycom
