// A checked call of crossentropy: rows of `cols` contiguous logits, a label to each.
#pragma once
#include "polycom.h"

struct pc_queue;

namespace polycom {

struct crossentropy_call {
  pc_dtype dtype;  // of the logits and their gradient
  int64_t rows, cols;
  const void* logits;
  const int32_t* labels;
  const float *lse, *dloss;  // backward
  float *loss, *lse_out;     // forward
  void* dlogits;             // backward
};

}  // namespace polycom
