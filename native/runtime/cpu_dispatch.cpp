// Chooses, once, the instruction set that the CPU kernels run with.
#include <stdlib.h>
#include <string.h>
#if defined(PC_X86)
#include <cpuid.h>
#endif

#include "kernels.h"

// The one that every processor of this architecture has.
#if defined(__aarch64__)
#define PC_LOWEST neon
#else
#define PC_LOWEST baseline
#endif
#define PC_TEXT_OF(name) #name
#define PC_TEXT(macro) PC_TEXT_OF(macro)

namespace polycom {
namespace cpu {

namespace PC_LOWEST {
PC_DECLARE_KERNELS
}
#if defined(PC_X86)
namespace avx2 {
PC_DECLARE_KERNELS
}
namespace avx512 {
PC_DECLARE_KERNELS
}
#endif

namespace {

enum class level { lowest, avx2, avx512 };

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
  const level best = avx512 ? level::avx512 : avx2 ? level::avx2 : level::lowest;
  const char* asked = getenv("POLYCOM_SIMD");
  if (asked == nullptr) return best;
  if (strcmp(asked, "baseline") == 0) return level::lowest;
  if (strcmp(asked, "avx2") == 0 && best == level::avx512) return level::avx2;
  return best;
#else
  return level::lowest;
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
      return PC_TEXT(PC_LOWEST);
  }
}

// clang-format off
#if defined(PC_X86)
#define PC_CHOOSE(function, ...) \
  switch (chosen()) { \
    case level::avx512: \
      return avx512::function(__VA_ARGS__); \
    case level::avx2: \
      return avx2::function(__VA_ARGS__); \
    default: \
      return PC_LOWEST::function(__VA_ARGS__); \
  }
#else
#define PC_CHOOSE(function, ...) return PC_LOWEST::function(__VA_ARGS__);
#endif

#define PC_DEFINE_KERNEL(name, call_type) \
  pc_status name(pc_queue& queue, const call_type& call) { PC_CHOOSE(name, queue, call) }
#define PC_DEFINE_PASSES(name, call_type) \
  PC_DEFINE_KERNEL(name##_forward, call_type) \
  PC_DEFINE_KERNEL(name##_backward, call_type)
#define PC_DEFINE_ACTIVATION(name, ...) PC_DEFINE_PASSES(name, activation_call)
#define PC_DEFINE_TRANSFORMER_OP(name, of, ...) PC_DEFINE_PASSES(name, of##_call)
#define PC_DEFINE_OTHER_OP(name, of) PC_DEFINE_KERNEL(name, of##_call)
PC_ACTIVATIONS(PC_DEFINE_ACTIVATION)
PC_TRANSFORMER_OPS(PC_DEFINE_TRANSFORMER_OP)
PC_OTHER_OPS(PC_DEFINE_OTHER_OP)
// clang-format on

}  // namespace cpu
}  // namespace polycom
