// exp for the formulas: expf on a scalar, and the same to two units in the last place on a SIMD vector.
#pragma once
#include <math.h>
#include <stdint.h>

#include "portable.h"

namespace polycom {

PC_MATH float exponential(float x) { return expf(x); }

#if !defined(__CUDACC__)
// exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; the polynomial is Cephes' expf. 2^n is applied
// in two halves, so that results fade through the subnormals to 0, and grow to infinity, where they should.
template <class V>
PC_MATH V exponential(V x) {
  using word = decltype(x < x);  // a vector of int32_t
  constexpr float shift =
      12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number, left in the low bits
  const V zero = zero_like(x);
  x = x < zero - 104.0f ? zero - 104.0f : x;
  x = x > zero + 89.0f ? zero + 89.0f : x;
  const V shifted = x * 1.44269504088896341f + shift;
  const V n = shifted - shift;
  const V r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  V p = zero + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const V value = (p * r) * r + r + 1.0f;
  const word whole = (word)shifted - (word)(zero + shift);
  const word half = whole >> 1;
  return value * (V)((half + 127) << 23) * (V)((whole - half + 127) << 23);
}
#endif

// The logistic function, 1 / (1 + exp(-x)).
template <class V>
PC_MATH V logistic(V x) {
  return reciprocal(1.0f + exponential(-x));
}

// x limited to [-limit, limit]; a NaN stays one.
template <class V>
PC_MATH V limited(V x, float limit) {
  const V zero = zero_like(x);
  x = x < zero - limit ? zero - limit : x;
  return x > zero + limit ? zero + limit : x;
}

}  // namespace polycom
