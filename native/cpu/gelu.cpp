// GELU, exact or by tanh, on the CPU.
#include "math/gelu.h"

#include "cpu/elementwise.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status gelu_forward(pc_queue& queue, const activation_call& call) {
  return call.approximate ? elementwise_forward<gelu_tanh>(queue, call)
                          : elementwise_forward<gelu>(queue, call);
}

pc_status gelu_backward(pc_queue& queue, const activation_call& call) {
  return call.approximate ? elementwise_backward<gelu_tanh>(queue, call)
                          : elementwise_backward<gelu>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
