// What the vectors need of x86-64's own instructions: AVX-512's, AVX's with F16C, and SSE2's.
#pragma once
#include <immintrin.h>

#include "vectors.h"
#if !defined(__AVX__)
#include "f16_words.h"
#endif

namespace polycom {
namespace cpu {
namespace {

// Words whose upper halves these are, over zeros.
PC_INLINE word_vec upper_halves(short_vec v) {
#if defined(__AVX__)
  return __builtin_convertvector(v, word_vec) << 16;
#else
  return (word_vec)_mm_unpacklo_epi16(_mm_setzero_si128(), _mm_cvtsi64_si128((long long)v));
#endif
}

// Streaming stores are weakly ordered: before another thread may read them, a fence.
PC_INLINE void fence_streaming() { _mm_sfence(); }

#if defined(__AVX512F__)
PC_INLINE vec widen_f16(short_vec v) { return (vec)_mm512_cvtph_ps((__m256i)v); }
PC_INLINE short_vec narrow_f16(vec v) {
  return (short_vec)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
PC_INLINE wide_vec widened(vec v) {
  return {(double_vec)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v)),
          (double_vec)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)v, 1))};
}
PC_INLINE vec narrowed(wide_vec v) {
  const __m512 low = _mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)v.low));
  return (vec)_mm512_insertf32x8(low, _mm512_cvtpd_ps((__m512d)v.high), 1);
}
PC_INLINE void stream(void* p, vec v) { _mm512_stream_ps(static_cast<float*>(p), (__m512)v); }
PC_INLINE void stream(void* p, short_vec v) { _mm256_stream_si256(static_cast<__m256i*>(p), (__m256i)v); }

PC_INLINE __mmask16 first_lanes(int64_t n) { return (__mmask16)((1u << n) - 1); }
PC_INLINE void read_part(vec& v, const void* p, int64_t n) {
  v = (vec)_mm512_maskz_loadu_ps(first_lanes(n), p);
}
PC_INLINE void read_part(short_vec& v, const void* p, int64_t n) {
  v = (short_vec)_mm256_maskz_loadu_epi16(first_lanes(n), p);
}
PC_INLINE void write_part(void* p, vec v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v); }
PC_INLINE void write_part(void* p, short_vec v, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), (__m256i)v);
}

#elif defined(__AVX__)
PC_INLINE vec widen_f16(short_vec v) { return (vec)_mm256_cvtph_ps((__m128i)v); }
PC_INLINE short_vec narrow_f16(vec v) {
  return (short_vec)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
}
PC_INLINE wide_vec widened(vec v) {
  return {(double_vec)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)v)),
          (double_vec)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)v, 1))};
}
PC_INLINE vec narrowed(wide_vec v) {
  return (vec)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)v.high), _mm256_cvtpd_ps((__m256d)v.low));
}
PC_INLINE void stream(void* p, vec v) { _mm256_stream_ps(static_cast<float*>(p), (__m256)v); }
PC_INLINE void stream(void* p, short_vec v) { _mm_stream_si128(static_cast<__m128i*>(p), (__m128i)v); }

#else
PC_INLINE wide_vec widened(vec v) {
  return {(double_vec)_mm_cvtps_pd((__m128)v), (double_vec)_mm_cvtps_pd(_mm_movehl_ps((__m128)v, (__m128)v))};
}
PC_INLINE vec narrowed(wide_vec v) {
  return (vec)_mm_movelh_ps(_mm_cvtpd_ps((__m128d)v.low), _mm_cvtpd_ps((__m128d)v.high));
}
PC_INLINE void stream(void* p, vec v) { _mm_stream_ps(static_cast<float*>(p), (__m128)v); }
PC_INLINE void stream(void* p, short_vec v) { _mm_stream_si64(static_cast<long long*>(p), (long long)v); }
#endif

}  // namespace
}  // namespace cpu
}  // namespace polycom
