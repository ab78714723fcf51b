// ReGLU: ReLU(gate) times up, on the CPU.
#include "cpu/elementwise.h"
#include "math/relu.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status reglu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<relu, true>(queue, call);
}

pc_status reglu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<relu, true>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
