// The kernels of every op, by the lists of polycom.h: those of the CPU, whichever instruction set they were
// compiled for, and those of CUDA.
#pragma once
#include "polycom.h"

struct pc_queue;

// A function of CUDA's, where this library has those.
#if defined(PC_HAVE_CUDA)
#define PC_CUDA(function) cuda::function
#else
#define PC_CUDA(function) nullptr
#endif

// clang-format off
#define PC_DECLARE_KERNEL(name, call_type) pc_status name(pc_queue& queue, const call_type& call);
#define PC_DECLARE_PASSES(name, call_type) \
  PC_DECLARE_KERNEL(name##_forward, call_type) \
  PC_DECLARE_KERNEL(name##_backward, call_type)
#define PC_DECLARE_ACTIVATION(name, ...) PC_DECLARE_PASSES(name, activation_call)
#define PC_DECLARE_TRANSFORMER_OP(name, of, ...) PC_DECLARE_PASSES(name, of##_call)
#define PC_DECLARE_OTHER_OP(name, of) PC_DECLARE_KERNEL(name, of##_call)
#define PC_DECLARE_KERNELS \
  PC_ACTIVATIONS(PC_DECLARE_ACTIVATION) \
  PC_TRANSFORMER_OPS(PC_DECLARE_TRANSFORMER_OP) \
  PC_OTHER_OPS(PC_DECLARE_OTHER_OP)
// clang-format on

namespace polycom {

struct activation_call;
#define PC_DECLARE_CALL(name, of, ...) struct of##_call;
PC_TRANSFORMER_OPS(PC_DECLARE_CALL)
PC_OTHER_OPS(PC_DECLARE_CALL)
#undef PC_DECLARE_CALL

namespace cpu {
// "avx512", "avx2" or "baseline": the best that this machine runs, or what POLYCOM_SIMD asks for, if less. "neon" on
// 64-bit Arm.
const char* simd_level();

PC_DECLARE_KERNELS
}  // namespace cpu

namespace cuda {
PC_DECLARE_KERNELS
}  // namespace cuda

}  // namespace polycom
