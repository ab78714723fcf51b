// PolyReLU, in CUDA.
#include "elementwise.cuh"
#include "math/polyrelu.h"

namespace polycom {
namespace cuda {

pc_status polyrelu_forward(pc_queue& queue, const activation_call& call) {
  return with_order(
      call.order, [&](auto tag) { return elementwise_forward<polyrelu<decltype(tag)::order>>(queue, call); });
}

pc_status polyrelu_backward(pc_queue& queue, const activation_call& call) {
  return with_order(call.order, [&](auto tag) {
    return elementwise_backward<polyrelu<decltype(tag)::order>>(queue, call);
  });
}

}  // namespace cuda
}  // namespace polycom
