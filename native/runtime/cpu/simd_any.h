// What the vectors need of an instruction set, where nothing is known of it.
#pragma once
#include <string.h>

#include "f16_words.h"

namespace polycom {
namespace cpu {
namespace {

// Words whose upper halves these are, over zeros.
PC_INLINE word_vec upper_halves(short_vec v) { return __builtin_convertvector(v, word_vec) << 16; }

PC_INLINE wide_vec widened(vec v) {
  wide_vec wide;
  for (int i = 0; i < lanes / 2; ++i) wide.low[i] = v[i], wide.high[i] = v[lanes / 2 + i];
  return wide;
}
PC_INLINE vec narrowed(wide_vec v) {
  vec narrow;
  for (int i = 0; i < lanes / 2; ++i) narrow[i] = float(v.low[i]), narrow[lanes / 2 + i] = float(v.high[i]);
  return narrow;
}

template <class V>
PC_INLINE void stream(void* p, V v) {
  memcpy(p, &v, sizeof v);
}
PC_INLINE void fence_streaming() {}

}  // namespace
}  // namespace cpu
}  // namespace polycom
