// ReLU squared, on the CPU.
#include "math/relu2.h"

#include "cpu/elementwise.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status relu2_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<relu2>(queue, call);
}

pc_status relu2_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<relu2>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
