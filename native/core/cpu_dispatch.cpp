// Chooses, once, the instruction set that the CPU kernels run with.
#include <stdlib.h>
#include <string.h>
#if defined(PC_X86)
#include <cpuid.h>
#endif

#include "core/optimizer.h"
#include "cpu/attention_cut.h"
#include "cpu/dispatch.h"
#include "cpu/partition.h"

namespace polycom {
namespace cpu {

int64_t coefficient_partials(int64_t rows, int64_t cols, bool rowwise) {
  return cut(rows, cols, rowwise).count;
}

int64_t attention_workspace(const attention_call& call, bool backward) {
  if (backward) return cut_backward(call).bytes();
  return is_decoding(call) ? cut_decoding(call).bytes() : cut_forward(call).bytes();
}

#define PC_DECLARE(name, traits)                               \
  pc_status name##_forward(pc_queue&, const activation_call&); \
  pc_status name##_backward(pc_queue&, const activation_call&);
#define PC_DECLARE_FUSED(name)                             \
  pc_status name##_forward(pc_queue&, const name##_call&); \
  pc_status name##_backward(pc_queue&, const name##_call&);
#define PC_DECLARE_ONE_PASS(name) pc_status name(pc_queue&, const name##_call&);
namespace baseline {
PC_ACTIVATIONS(PC_DECLARE)
PC_FUSED_OPS(PC_DECLARE_FUSED)
PC_ONE_PASS_OPS(PC_DECLARE_ONE_PASS)
pc_status copy(pc_queue&, const copy_call&);
pc_status squaresum(pc_queue&, const squaresum_call&);
pc_status adamw(pc_queue&, const adamw_call&);
}  // namespace baseline
#if defined(PC_X86)
namespace avx2 {
PC_ACTIVATIONS(PC_DECLARE)
PC_FUSED_OPS(PC_DECLARE_FUSED)
PC_ONE_PASS_OPS(PC_DECLARE_ONE_PASS)
pc_status copy(pc_queue&, const copy_call&);
pc_status squaresum(pc_queue&, const squaresum_call&);
pc_status adamw(pc_queue&, const adamw_call&);
}  // namespace avx2
namespace avx512 {
PC_ACTIVATIONS(PC_DECLARE)
PC_FUSED_OPS(PC_DECLARE_FUSED)
PC_ONE_PASS_OPS(PC_DECLARE_ONE_PASS)
pc_status copy(pc_queue&, const copy_call&);
pc_status squaresum(pc_queue&, const squaresum_call&);
pc_status adamw(pc_queue&, const adamw_call&);
}  // namespace avx512
#endif
#undef PC_DECLARE
#undef PC_DECLARE_FUSED
#undef PC_DECLARE_ONE_PASS

namespace {

enum class level { baseline, avx2, avx512 };

#if defined(PC_X86)
// Clang's __builtin_cpu_supports knows no "f16c" for years after 14.
bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

level best_level() {
#if defined(PC_X86)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const level best = avx512 ? level::avx512 : avx2 ? level::avx2 : level::baseline;
  const char* asked = getenv("POLYCOM_SIMD");
  if (asked == nullptr) return best;
  if (strcmp(asked, "baseline") == 0) return level::baseline;
  if (strcmp(asked, "avx2") == 0 && best == level::avx512) return level::avx2;
  return best;
#else
  return level::baseline;
#endif
}

level chosen() {
  static const level once = best_level();
  return once;
}

}  // namespace

const char* simd_level() {
  switch (chosen()) {
    case level::avx512:
      return "avx512";
    case level::avx2:
      return "avx2";
    default:
      return "baseline";
  }
}

#if defined(PC_X86)
#define PC_CHOOSE(function, ...)              \
  switch (chosen()) {                         \
    case level::avx512:                       \
      return avx512::function(__VA_ARGS__);   \
    case level::avx2:                         \
      return avx2::function(__VA_ARGS__);     \
    default:                                  \
      return baseline::function(__VA_ARGS__); \
  }
#else
#define PC_CHOOSE(function, ...) return baseline::function(__VA_ARGS__);
#endif

#define PC_DEFINE(name, traits)                                                                        \
  pc_status name##_forward(pc_queue& queue, const activation_call& call){                              \
      PC_CHOOSE(name##_forward, queue, call)} pc_status name##_backward(pc_queue& queue,               \
                                                                        const activation_call& call) { \
    PC_CHOOSE(name##_backward, queue, call)                                                            \
  }
PC_ACTIVATIONS(PC_DEFINE)
#define PC_DEFINE_FUSED(name)                                                                             \
  pc_status name##_forward(pc_queue& queue, const name##_call& call){PC_CHOOSE(                           \
      name##_forward, queue, call)} pc_status name##_backward(pc_queue& queue, const name##_call& call) { \
    PC_CHOOSE(name##_backward, queue, call)                                                               \
  }
PC_FUSED_OPS(PC_DEFINE_FUSED)
#define PC_DEFINE_ONE_PASS(name) \
  pc_status name(pc_queue& queue, const name##_call& call) { PC_CHOOSE(name, queue, call) }
PC_ONE_PASS_OPS(PC_DEFINE_ONE_PASS)
pc_status copy(pc_queue& queue, const copy_call& call){PC_CHOOSE(copy, queue, call)} pc_status
    squaresum(pc_queue& queue, const squaresum_call& call){PC_CHOOSE(squaresum, queue, call)} pc_status
    adamw(pc_queue& queue, const adamw_call& call) {
  PC_CHOOSE(adamw, queue, call)
}

}  // namespace cpu
}  // namespace polycom
