// What the vectors need of Arm's own instructions, which every 64-bit processor has.
#pragma once
#include <arm_neon.h>
#include <string.h>

#include "vectors.h"

namespace polycom {
namespace cpu {
namespace {

// By name, here and below: GCC converts to wider lanes one by one.
PC_INLINE word_vec upper_halves(short_vec v) { return (word_vec)vshll_n_u16((uint16x4_t)v, 16); }

PC_INLINE vec widen_f16(short_vec v) { return (vec)vcvt_f32_f16((float16x4_t)v); }
// To nearest, ties to even; a NaN stays one.
PC_INLINE short_vec narrow_f16(vec v) { return (short_vec)vcvt_f16_f32((float32x4_t)v); }

PC_INLINE wide_vec widened(vec v) {
  const float32x4_t narrow = (float32x4_t)v;
  return {(double_vec)vcvt_f64_f32(vget_low_f32(narrow)), (double_vec)vcvt_high_f64_f32(narrow)};
}
PC_INLINE vec narrowed(wide_vec v) {
  return (vec)vcvt_high_f32_f64(vcvt_f32_f64((float64x2_t)v.low), (float64x2_t)v.high);
}

// Arm's processors notice by themselves that whole lines are written, and then read none of them.
template <class V>
PC_INLINE void stream(void* p, V v) {
  memcpy(p, &v, sizeof v);
}
PC_INLINE void fence_streaming() {}

}  // namespace
}  // namespace cpu
}  // namespace polycom
