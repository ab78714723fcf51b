// The CPU kernels, whichever instruction set they were compiled for.
#pragma once
#include "core/activation.h"
#include "core/attention.h"
#include "core/crossentropy.h"
#include "core/dropout.h"
#include "core/embedding.h"
#include "core/groupedpolynorm.h"
#include "core/polynormapply.h"
#include "core/rmsnorm.h"
#include "core/rotary.h"

namespace polycom {
namespace cpu {

// "avx512", "avx2" or "baseline": the best that this machine runs, or what POLYCOM_SIMD asks for, if less.
const char* simd_level();

#define PC_DECLARE(name, traits)                                          \
  pc_status name##_forward(pc_queue& queue, const activation_call& call); \
  pc_status name##_backward(pc_queue& queue, const activation_call& call);
PC_ACTIVATIONS(PC_DECLARE)
#undef PC_DECLARE
#define PC_DECLARE(name)                                              \
  pc_status name##_forward(pc_queue& queue, const name##_call& call); \
  pc_status name##_backward(pc_queue& queue, const name##_call& call);
PC_FUSED_OPS(PC_DECLARE)
#undef PC_DECLARE
#define PC_DECLARE(name) pc_status name(pc_queue& queue, const name##_call& call);
PC_ONE_PASS_OPS(PC_DECLARE)
#undef PC_DECLARE

struct copy_call {
  const char* from;
  char* to;
  int64_t bytes;
  bool streaming;
};
pc_status copy(pc_queue& queue, const copy_call& call);

}  // namespace cpu
}  // namespace polycom
