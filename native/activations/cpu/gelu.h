// GELU by vectors of which no |x| is large, as most are: the formula of math/gelu.h without what only tails need.
#pragma once
#include "math/gelu.h"
#include "runtime/cpu/arithmetic.h"

namespace polycom {
namespace cpu {
namespace {

struct vector_gelu : formula {
  static PC_INLINE vec forward(vec x, const nothing& none) {
    const vec size = magnitude(x);
    if (__builtin_expect(!within(size, near), 0)) return gelu::forward(x, none);
    // x - x P(-x) above 0, x P(x) below.
    return not_negative(x) - (size * bell(size)) * share(size);
  }

  static PC_INLINE vec backward(vec x, vec g, const nothing& none) {
    const vec size = magnitude(x);
    if (__builtin_expect(!within(size, near), 0)) return gelu::backward(x, g, none);
    const vec e = bell(size), tail = e * share(size);
    return g * ((x < 0 ? tail : 1.0f - tail) + x * (e * 0.398942280401432678f));
  }

 private:
  // Up to it, exp(-x^2 / 2) is far from float's ends.
  static constexpr float near = 13.0f;

  // exp(-x^2 / 2) = 2^n exp(-r / 2): the square is not rounded where n is taken from it. Within 1.1e-7.
  static PC_INLINE vec bell(vec size) {
    const vec shifted = shift - (size * size) * 0.72134752f, n = shifted - shift;
    const vec part = n * 1.38671875f;  // exact
    const vec r = product_error(size, size, -part) - n * 4.2438888e-4f;
    vec p = vec{} - 2.597646380e-4f;
    p = p * r + 2.618165920e-3f;
    p = p * r - 2.083389647e-2f;
    p = p * r + 1.249980703e-1f;
    return times_power_of_two((p * r - 0.5f) * r + 1.0f, shifted);
  }

  // P(-|x|) exp(x^2 / 2) as a polynomial of t = 1 / (1 + |x| / 3), within 5.5e-8.
  static PC_INLINE vec share(vec size) {
    const vec t = finite_reciprocal(size * 0.333333333f + 1.0f);
    vec q = vec{} - 0.0232957508f;
    q = q * t + 0.132122129f;
    q = q * t - 0.276367277f;
    q = q * t + 0.224607661f;
    q = q * t - 0.0571476221f;
    q = q * t + 0.121464364f;
    q = q * t + 0.112038702f;
    q = q * t + 0.133625746f;
    q = q * t + 0.132952064f;
    return t * q;
  }
};

// What vectors take in a formula's place.
template <class F>
struct by_vectors {
  using type = F;
};
template <>
struct by_vectors<gelu> {
  using type = vector_gelu;
};
template <class F>
struct by_vectors<gated<F>> {
  using type = gated<typename by_vectors<F>::type>;
};

}  // namespace
}  // namespace cpu
}  // namespace polycom
