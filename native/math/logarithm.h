// ln for the formulas, of a positive number: exact powers of two apart from the rest, so that neither is lost.
#pragma once
#include <stdint.h>
#include <string.h>

#include "portable.h"

namespace polycom {

// A float's bits, and back; a SIMD vector's lanes likewise.
PC_MATH int32_t word_of(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_int(x);
#else
  int32_t word;
  memcpy(&word, &x, sizeof word);
  return word;
#endif
}
PC_MATH float value_of(float, int32_t word) {
#if defined(__CUDA_ARCH__)
  return __int_as_float(word);
#else
  float x;
  memcpy(&x, &word, sizeof x);
  return x;
#endif
}
#if !defined(__CUDACC__)
template <class V>
PC_MATH auto word_of(V x) {
  return (decltype(x < x))x;
}
template <class V, class W>
PC_MATH V value_of(V, W word) {
  return (V)word;
}
#endif

// x = 2^exponent m, ln x = exponent ln 2 + ln m; `rest` is ln m, m within sqrt(1/2) and sqrt(2).
template <class V>
struct logarithm {
  V exponent, rest;
};

// For finite x > 0, subnormals too; the polynomial is Cephes' logf.
template <class V>
PC_MATH logarithm<V> logarithm_of(V x) {
  constexpr float shift = 12582912.0f;  // 1.5 * 2^23: its low bits hold a whole number
  const V zero = zero_like(x);
  const V least = zero + 1.17549435e-38f;
  const V normal = x < least ? x * 16777216.0f : x;
  const auto offset = word_of(normal) - 0x3f3504f3;  // that is sqrt(1/2); the high bits: the exponent
  const V f = value_of(x, word_of(normal) - (offset & ~0x7fffff)) - 1.0f;
  V p = zero + 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const V square = f * f;
  const V whole = value_of(x, (offset >> 23) + word_of(zero + shift)) - shift;
  return {x < least ? whole - 24.0f : whole, f + (square * (f * p) - 0.5f * square)};
}

}  // namespace polycom
