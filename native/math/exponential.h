// exp for the formulas: expf on a scalar, and the same to two units in the last place on a SIMD vector.
#pragma once
#include <math.h>
#include <stdint.h>
#if defined(__x86_64__) && !defined(__CUDACC__)
#include <immintrin.h>
#elif defined(__aarch64__) && !defined(__CUDACC__)
#include <arm_neon.h>
#endif

#include "portable.h"

namespace polycom {

PC_MATH float exponential(float x) { return expf(x); }

// exp(r) - 1 for |r| <= ln 2 / 2; the polynomial is Cephes' expf.
template <class V>
PC_MATH V exponential_less_one_near_zero(V r) {
  V p = zero_like(r) + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return (p * r) * r + r;
}

#if !defined(__CUDACC__)
template <class V>
PC_MATH V exponential_near_zero(V r) {
  return exponential_less_one_near_zero(r) + 1.0f;
}

// Whether |x| <= limit in every lane; where that takes more than a few instructions to know, false.
template <class V>
PC_MATH bool within([[maybe_unused]] V x, [[maybe_unused]] float limit) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64)
    return _mm512_cmp_ps_mask(_mm512_abs_ps((__m512)x), _mm512_set1_ps(limit), _CMP_LE_OQ) == 0xffff;
#endif
#if defined(__AVX__)
  if constexpr (sizeof(V) == 32) {
    const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), (__m256)x);
    return _mm256_movemask_ps(_mm256_cmp_ps(size, _mm256_set1_ps(limit), _CMP_LE_OQ)) == 0xff;
  }
#endif
#if defined(__x86_64__)
  if constexpr (sizeof(V) == 16) {
    const __m128 size = _mm_andnot_ps(_mm_set1_ps(-0.0f), (__m128)x);
    return _mm_movemask_ps(_mm_cmple_ps(size, _mm_set1_ps(limit))) == 0xf;
  }
#elif defined(__aarch64__)
  if constexpr (sizeof(V) == 16)
    return vminvq_u32(vcaleq_f32((float32x4_t)x, vdupq_n_f32(limit))) == 0xffffffff;
#endif
  return false;
}

// exp(x) = 2^n exp(r), n = round(x / ln 2). `number` is n as a float.
template <class V>
PC_MATH V exponential_of_rest(V x, V number) {
  return exponential_near_zero((x - number * 0.693359375f) + number * 2.12194440e-4f);
}

// 2^n is added to the exponent, where both are far from its ends. Elsewhere it is applied in two halves, so that results
// fade through the subnormals to 0, and grow to infinity, where they should. Both give the same bits.
template <class V>
PC_MATH V exponential(V x) {
  using word = decltype(x < x);  // a vector of int32_t
  constexpr float shift =
      12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number, left in the low bits
  const V zero = zero_like(x);
  if (__builtin_expect(within(x, 87.0f), 1)) {
    const V shifted = x * 1.44269504088896341f + shift;
    return (V)((word)exponential_of_rest(x, shifted - shift) + ((word)shifted << 23));
  }
  x = x < zero - 104.0f ? zero - 104.0f : x;
  x = x > zero + 89.0f ? zero + 89.0f : x;
  const V shifted = x * 1.44269504088896341f + shift;
  const V value = exponential_of_rest(x, shifted - shift);
  const word whole = (word)shifted - (word)(zero + shift);
  const word half = whole >> 1;
  return value * (V)((half + 127) << 23) * (V)((whole - half + 127) << 23);
}
#endif

#if !defined(__CUDACC__)
// exp(x) for x up to 80, and 0 for x below -87: what a softmax makes of its scores. No subnormals, with which
// some CPUs are slow.
template <class V>
PC_MATH V vanishing_exponential(V x) {
  using word = decltype(x < x);
  constexpr float shift = 12582912.0f;
  const V zero = zero_like(x);
  const V within = x < zero - 87.0f ? zero - 87.0f : x;
  const V shifted = within * 1.44269504088896341f + shift;
  const V n = shifted - shift;
  const V r = (within - n * 0.693359375f) + n * 2.12194440e-4f;
  const word whole = (word)shifted - (word)(zero + shift);
  const V value = exponential_near_zero(r) * (V)((whole + 127) << 23);
  return x < zero - 87.0f ? zero : value;
}
#endif

// a b - p, where p is a b rounded: what the rounding took.
// |a| and |b| well below the root of the largest float.
PC_MATH float product_error(float a, float b, float p) { return fmaf(a, b, -p); }

#if !defined(__CUDACC__)
template <class V>
PC_MATH V product_error(V a, V b, V p) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) return (V)_mm512_fmsub_ps((__m512)a, (__m512)b, (__m512)p);
#endif
#if defined(__FMA__)
  if constexpr (sizeof(V) == 32) return (V)_mm256_fmsub_ps((__m256)a, (__m256)b, (__m256)p);
#elif defined(__aarch64__)
  if constexpr (sizeof(V) == 16) return (V)vfmaq_f32((float32x4_t)-p, (float32x4_t)a, (float32x4_t)b);
#endif
  // Dekker 1971: of the halves of 12 bits, every product is exact.
  using word = decltype(a < a);
  const V high_a = (V)((word)a & ~0xfff), low_a = a - high_a;
  const V high_b = (V)((word)b & ~0xfff), low_b = b - high_b;
  return ((high_a * high_b - p) + (high_a * low_b + low_a * high_b)) + low_a * low_b;
}
#endif

// exp(x + rest), rest so small that its square does not count: for an argument that float rounds.
template <class V>
PC_MATH V exponential(V x, V rest) {
  return exponential(x) * (1.0f + rest);
}

// exp(x) and exp(x) - 1, each to its last digits.
template <class V>
struct exponential_pair {
  V power, less_one;
};

// Both of x + rest, for x <= 0 and a rest so small that its square does not count.
PC_MATH exponential_pair<float> exponentials(float x, float rest) {
  const float power = expf(x), less_one = x > -0.35f ? exponential_less_one_near_zero(x) : power - 1.0f;
  return {power + power * rest, less_one + power * rest};
}

#if !defined(__CUDACC__)
template <class V>
PC_MATH exponential_pair<V> exponentials(V x, V rest) {
  using word = decltype(x < x);
  constexpr float shift = 12582912.0f;
  const V zero = zero_like(x);
  x = x < zero - 104.0f ? zero - 104.0f : x;
  const V shifted = x * 1.44269504088896341f + shift;
  const V n = shifted - shift;
  const V less_one = exponential_less_one_near_zero((x - n * 0.693359375f) + n * 2.12194440e-4f);
  const word whole = (word)shifted - (word)(zero + shift);
  const word half = whole >> 1;
  const V scale = (V)((half + 127) << 23), more = (V)((whole - half + 127) << 23);
  const V power = (less_one + 1.0f) * scale * more;
  return {power + power * rest, less_one * scale * more + (scale * more - 1.0f) + power * rest};
}
#endif

// The logistic function, 1 / (1 + exp(-x)).
template <class V>
PC_MATH V logistic(V x) {
  return reciprocal(1.0f + exponential(-x));
}

// exp(x) for results that are stored in 16 bits: on CUDA within 2^-21 + |x| 2^-23 of itself, by one instruction
// that gives 0 for what would be subnormal.
template <class V>
PC_MATH V short_exponential(V x) {
#if defined(__CUDA_ARCH__)
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x * 1.44269504088896341f));
  return power;
#else
  return exponential(x);
#endif
}

// 4 / (1 + e) likewise, for e from 0 to infinity: four times as much, for what was subnormal would be 0.
template <class V>
PC_MATH V four_shares(V e) {
  return normal_reciprocal(e * 0.25f + 0.25f);
}

// The logistic functions of x and of -x, whose sum is 1, each to its last digits.
template <class V>
struct logistic_pair {
  V rising, falling;
};

// Those of x + rest, as small as above. Beyond the limit, falling is no normal float; and CUDA's reciprocal of
// what is larger would be 0.
template <class V>
PC_MATH logistic_pair<V> logistics(V x, V rest) {
  const V zero = zero_like(x), most = zero + 87.3f;
  const V e = exponential(x > most ? most : x, rest);
  const V share = reciprocal(1.0f + e);
  return {e * share, x > most ? zero : share};
}

// x limited to [-limit, limit]; a NaN stays one.
template <class V>
PC_MATH V limited(V x, float limit) {
  const V zero = zero_like(x);
  x = x < zero - limit ? zero - limit : x;
  return x > zero + limit ? zero + limit : x;
}

}  // namespace polycom
