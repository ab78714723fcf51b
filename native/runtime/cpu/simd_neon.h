// What the vectors need of Arm's own instructions, which every 64-bit processor has.
#pragma once
#include <arm_neon.h>

#include "vectors.h"

namespace polycom {
namespace cpu {
namespace {

PC_INLINE vec widen_f16(short_vec v) { return (vec)vcvt_f32_f16((float16x4_t)v); }
// To nearest, ties to even; a NaN stays one.
PC_INLINE short_vec narrow_f16(vec v) { return (short_vec)vcvt_f16_f32((float32x4_t)v); }

}  // namespace
}  // namespace cpu
}  // namespace polycom
