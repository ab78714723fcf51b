// Arithmetic that instruction sets have shorter ways to than the formulas for every device.
#pragma once
#include "simd.h"

namespace polycom {
namespace cpu {
namespace {

PC_INLINE vec magnitude(vec x) { return (vec)((word_vec)x & 0x7fffffffu); }

// Adding it rounds to a whole number, left in the low bits: 1.5 * 2^23.
constexpr float shift = 12582912.0f;

// times_power_of_two(p, shifted): p 2^n, where neither is near float's ends; `shifted` is n plus `shift`.
// not_negative(x): max(x, 0), but a NaN stays one.
#if defined(__AVX512F__)

// 1 / x and 1 / sqrt(x) of a finite x, neither 0 nor subnormal, within an ulp or two: an estimate of 14 bits and a step
// of Newton's, where a division or a root takes as long as a dozen operations.
PC_INLINE vec finite_reciprocal(vec x) {
  const vec estimate = (vec)_mm512_rcp14_ps((__m512)x);
  return estimate + estimate * (1.0f - x * estimate);
}
PC_INLINE vec finite_reciprocal_root(vec x) {
  const vec estimate = (vec)_mm512_rsqrt14_ps((__m512)x);
  return estimate + (0.5f * estimate) * (1.0f - (x * estimate) * estimate);
}

PC_INLINE vec times_power_of_two(vec p, vec shifted) {
  return (vec)_mm512_scalef_ps((__m512)p, (__m512)(shifted - shift));
}

PC_INLINE vec not_negative(vec x) { return (vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x); }

#else

PC_INLINE vec finite_reciprocal(vec x) { return 1.0f / x; }
PC_INLINE vec finite_reciprocal_root(vec x) { return 1.0f / square_root(x); }

PC_INLINE vec times_power_of_two(vec p, vec shifted) {
  return (vec)((word_vec)p + ((word_vec)shifted << 23));
}

PC_INLINE vec not_negative(vec x) {
#if defined(__AVX__)
  return (vec)_mm256_max_ps(_mm256_setzero_ps(), (__m256)x);
#elif defined(__x86_64__)
  return (vec)_mm_max_ps(_mm_setzero_ps(), (__m128)x);
#else
  return positive_part(x);
#endif
}

#endif

}  // namespace
}  // namespace cpu
}  // namespace polycom
