// PolyReLU(gate) times up, in CUDA.
#include "elementwise.cuh"
#include "math/polyrelu.h"

namespace polycom {
namespace cuda {

pc_status polyreluglu_forward(pc_queue& queue, const activation_call& call) {
  return with_order(call.order, [&](auto tag) {
    return elementwise_forward<polyrelu<decltype(tag)::order>, true>(queue, call);
  });
}

pc_status polyreluglu_backward(pc_queue& queue, const activation_call& call) {
  return with_order(call.order, [&](auto tag) {
    return elementwise_backward<polyrelu<decltype(tag)::order>, true>(queue, call);
  });
}

}  // namespace cuda
}  // namespace polycom
