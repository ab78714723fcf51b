// A checked call of dropout, either pass, on `count` contiguous elements.
#pragma once
#include "polycom.h"

struct pc_queue;

namespace polycom {

struct dropout_call {
  pc_dtype dtype;
  int64_t count;
  uint32_t threshold;  // of a kept element's random word, the least
  float scale;         // of a kept element
  const void* x;       // backward: dy
  const int32_t* seed;
  void* y;  // backward: dx
};

}  // namespace polycom
