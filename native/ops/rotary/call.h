// A checked call of rotary, either pass: x [batch, time, heads, width], contiguous.
#pragma once
#include "polycom.h"

struct pc_queue;

namespace polycom {

struct rotary_call {
  pc_dtype dtype;  // of x and y
  int64_t batch, time, heads, width;
  int64_t positions;  // rows of the table
  const float* table;
  const int32_t* start;
  const void* x;  // backward: dy
  void* y;        // backward: dx
};

}  // namespace polycom
