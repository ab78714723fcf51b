// PolyNorm(gate) times up, on the CPU.
#include "polynorm.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status polynormglu_forward(pc_queue& queue, const activation_call& call) {
  return polynorm_forward_of<true>(queue, call);
}

pc_status polynormglu_backward(pc_queue& queue, const activation_call& call) {
  return polynorm_backward_of<true>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
