// A checked call of dropout, either pass, on `count` contiguous floats.
#pragma once
#include "polycom.h"

struct pc_queue;

namespace polycom {

struct dropout_call {
  int64_t count;
  uint32_t threshold;  // of a kept element's random word, the least
  float scale;         // of a kept element
  const float* x;      // backward: dy
  const int32_t* seed;
  float* y;  // backward: dx
};

}  // namespace polycom
