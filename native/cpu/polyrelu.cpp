// PolyReLU, on the CPU.
#include "math/polyrelu.h"

#include "cpu/elementwise.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status polyrelu_forward(pc_queue& queue, const activation_call& call) {
  return with_order(
      call.order, [&](auto tag) { return elementwise_forward<polyrelu<decltype(tag)::order>>(queue, call); });
}

pc_status polyrelu_backward(pc_queue& queue, const activation_call& call) {
  return with_order(call.order, [&](auto tag) {
    return elementwise_backward<polyrelu<decltype(tag)::order>>(queue, call);
  });
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
