// SiLU, on the CPU.
#include "math/silu.h"

#include "cpu/elementwise.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status silu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<silu>(queue, call);
}

pc_status silu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<silu>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
