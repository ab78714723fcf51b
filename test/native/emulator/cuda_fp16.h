// IEEE half precision for the emulated CUDA: to nearest, ties to even.
#pragma once
#include <stdint.h>
#include <string.h>

struct __half {
  uint16_t bits;

  __half() = default;
  explicit __half(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    const uint16_t sign = uint16_t(word >> 16 & 0x8000);
    const uint32_t magnitude = word & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      bits = uint16_t(sign | 0x7fff);
    } else if (magnitude >= 0x47800000) {
      bits = uint16_t(sign | 0x7c00);
    } else if (magnitude < 0x38800000) {  // subnormal: 0.5 + |value| leaves it in the low bits, rounded
      float sum = 0.5f, small;
      memcpy(&small, &magnitude, sizeof small);
      sum += small;
      uint32_t rounded;
      memcpy(&rounded, &sum, sizeof rounded);
      bits = uint16_t(sign | (rounded - 0x3f000000));
    } else {
      bits = uint16_t(sign | ((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13));
    }
  }
  operator float() const {
    const uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    float value;
    if (exponent == 0) {
      value = float(fraction) * 0x1p-24f;
      return sign == 0 ? value : -value;
    }
    const uint32_t word = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &word, sizeof value);
    return value;
  }
};

struct __half2 {
  __half x, y;
};

inline __half2 __floats2half2_rn(float low, float high) { return {__half(low), __half(high)}; }

inline float __low2float(__half2 both) { return both.x; }
inline float __high2float(__half2 both) { return both.y; }
