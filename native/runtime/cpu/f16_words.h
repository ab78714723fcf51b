// f16 to f32 and back in integer arithmetic, where the instruction set converts none.
#pragma once
#include "vectors.h"

namespace polycom {
namespace cpu {
namespace {

PC_INLINE vec widen_f16(short_vec v) {
  const word_vec bits = __builtin_convertvector(v, word_vec);
  const word_vec magnitude = (bits & 0x7fff) << 13, exponent = magnitude & 0x0f800000;
  const word_vec normal = magnitude + (112u << 23);  // the exponents' biases, 127 and 15
  const word_vec special = normal + (112u << 23);    // infinity and NaN
  const word_vec least = word_vec{} + (113u << 23);
  const word_vec subnormal = (word_vec)((vec)(magnitude + (113u << 23)) - (vec)least);
  const word_vec value = exponent == 0x0f800000 ? special : exponent == 0 ? subnormal : normal;
  return (vec)(value | (bits & 0x8000) << 16);
}

// To nearest, ties to even; a NaN stays one.
PC_INLINE short_vec narrow_f16(vec v) {
  const word_vec bits = (word_vec)v, sign = bits & 0x80000000u, magnitude = bits ^ sign;
  const word_vec normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  const word_vec magic =
      word_vec{} + (126u << 23);  // adding 0.5 lets the adder round to a subnormal's last bit
  const word_vec subnormal = (word_vec)((vec)magnitude + (vec)magic) - magic;
  const word_vec special = magnitude > 0x7f800000u ? word_vec{} + 0x7e00u : word_vec{} + 0x7c00u;
  const word_vec value = magnitude >= (143u << 23) ? special : magnitude < (113u << 23) ? subnormal : normal;
  return __builtin_convertvector(value | sign >> 16, short_vec);
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
