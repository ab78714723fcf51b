// GEGLU: GELU(gate) times up, exact or by tanh, on the CPU.
#include "cpu/elementwise.h"
#include "math/gelu.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status geglu_forward(pc_queue& queue, const activation_call& call) {
  return call.approximate ? elementwise_forward<gelu_tanh, true>(queue, call)
                          : elementwise_forward<gelu, true>(queue, call);
}

pc_status geglu_backward(pc_queue& queue, const activation_call& call) {
  return call.approximate ? elementwise_backward<gelu_tanh, true>(queue, call)
                          : elementwise_backward<gelu, true>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
