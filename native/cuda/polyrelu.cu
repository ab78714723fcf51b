// PolyReLU in CUDA.
#include "elementwise.cuh"
#include "math/polyrelu.h"

namespace polycom {
namespace cuda {

pc_status polyrelu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<polyrelu<3>, float>(queue, call);
}

pc_status polyrelu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<polyrelu<3>, float>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
