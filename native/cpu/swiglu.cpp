// SwiGLU: SiLU(gate) times up, on the CPU.
#include "cpu/elementwise.h"
#include "math/silu.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status swiglu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<silu, true>(queue, call);
}

pc_status swiglu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<silu, true>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
