// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): four
// words of random bits for each counter under a key, the same on every device.
#pragma once
#include <stdint.h>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__) && !defined(__CUDACC__)
#include <arm_neon.h>
#endif

#include "portable.h"

namespace polycom {

// The halves of a 64-bit product.
template <class W>
struct product_halves {
  W high, low;
};

PC_MATH product_halves<uint32_t> multiply_wide(uint32_t a, uint32_t b) {
  const uint64_t product = uint64_t(a) * b;
  return {uint32_t(product >> 32), uint32_t(product)};
}

#if !defined(__CUDACC__)
// W is a vector of uint32_t. The processors multiply every second lane.
template <class W>
PC_MATH product_halves<W> multiply_wide(W a, uint32_t b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(W) == 64) {
    const __m512i v = (__m512i)a, factor = _mm512_set1_epi32(int(b));
    const __m512i even = _mm512_mul_epu32(v, factor),
                  odd = _mm512_mul_epu32(_mm512_srli_epi64(v, 32), factor);
    return {(W)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd), a * b};
  }
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(W) == 32) {
    const __m256i v = (__m256i)a, factor = _mm256_set1_epi32(int(b));
    const __m256i even = _mm256_mul_epu32(v, factor),
                  odd = _mm256_mul_epu32(_mm256_srli_epi64(v, 32), factor);
    return {(W)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa), a * b};
  }
#endif
#if defined(__SSE2__)
  if constexpr (sizeof(W) == 16) {
    const __m128i v = (__m128i)a, factor = _mm_set1_epi32(int(b));
    const __m128i even = _mm_mul_epu32(v, factor), odd = _mm_mul_epu32(_mm_srli_epi64(v, 32), factor);
    const __m128i upper = _mm_and_si128(odd, _mm_set1_epi64x(int64_t(0xffffffff00000000)));
    return {(W)_mm_or_si128(_mm_srli_epi64(even, 32), upper), a * b};
  }
#elif defined(__aarch64__)
  if constexpr (sizeof(W) == 16) {
    const uint32x4_t v = (uint32x4_t)a, factor = vdupq_n_u32(b);
    const uint64x2_t first = vmull_u32(vget_low_u32(v), vget_low_u32(factor)),
                     rest = vmull_high_u32(v, factor);
    return {(W)vuzp2q_u32(vreinterpretq_u32_u64(first), vreinterpretq_u32_u64(rest)), a * b};
  }
#endif
  W high = a;
  for (unsigned i = 0; i < sizeof(W) / sizeof(uint32_t); ++i) high[i] = multiply_wide(a[i], b).high;
  return {high, a * b};
}
#endif

template <class W>
struct philox_words {
  W word[4];
};

// W is uint32_t or a vector of them: counters that differ in their lowest word alone.
template <class W>
PC_MATH philox_words<W> philox(W low, uint32_t high, const uint32_t (&key)[2]) {
  W a = low, b = W{} + high, c = W{}, d = W{};
  uint32_t first = key[0], second = key[1];
  for (int round = 0; round < 10; ++round) {
    const product_halves<W> p = multiply_wide(a, 0xD2511F53u), q = multiply_wide(c, 0xCD9E8D57u);
    a = q.high ^ b ^ first;
    b = q.low;
    c = p.high ^ d ^ second;
    d = p.low;
    first += 0x9E3779B9u;
    second += 0xBB67AE85u;
  }
  return {{a, b, c, d}};
}

}  // namespace polycom
