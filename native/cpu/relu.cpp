// ReLU, on the CPU.
#include "math/relu.h"

#include "cpu/elementwise.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status relu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<relu>(queue, call);
}

pc_status relu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<relu>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
