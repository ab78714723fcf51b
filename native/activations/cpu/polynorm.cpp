// PolyNorm, on the CPU.
#include "polynorm.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status polynorm_forward(pc_queue& queue, const activation_call& call) {
  return polynorm_forward_of<false>(queue, call);
}

pc_status polynorm_backward(pc_queue& queue, const activation_call& call) {
  return polynorm_backward_of<false>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
