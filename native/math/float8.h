// OCP's 8-bit float e4m3fn: a sign, 4 bits of exponent (bias 7), 3 of fraction; no infinity, and NaN only
// with all of the bits set. Largest 448, smallest normal 2^-6, smallest 2^-9.
#pragma once
#include <stdint.h>
#include <string.h>

#include "portable.h"

namespace polycom {

struct e4m3 {
  static constexpr float largest = 448.0f;

  // The 8 bits, to nearest, ties to even; what is larger than the largest, infinity too, becomes that. V is
  // float and W uint32_t, or vectors of them.
  template <class W, class V>
  PC_MATH W narrow(V value) {
    W bits;
    memcpy(&bits, &value, sizeof bits);
    const W zero{}, magnitude = bits & 0x7fffffffu;
    // Another bias (127 - 7), and 20 bits less.
    const W normal = (magnitude - (120u << 23) + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20;
    // Adding 2^14, whose last bit is 2^-9, lets the adder round.
    const W magic = zero + (141u << 23);
    V small, large;
    memcpy(&small, &magnitude, sizeof small);
    memcpy(&large, &magic, sizeof large);
    const V sum = small + large;
    W subnormal;
    memcpy(&subnormal, &sum, sizeof subnormal);
    subnormal = subnormal - magic;
    const W finite = magnitude < zero + (121u << 23) ? subnormal : normal;
    const W capped = finite > zero + 0x7eu ? zero + 0x7eu : finite;
    const W result = magnitude > zero + 0x7f800000u ? zero + 0x7fu : capped;
    return result | ((bits >> 24) & 0x80u);
  }
};

}  // namespace polycom
