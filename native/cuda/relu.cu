// ReLU, in CUDA.
#include "elementwise.cuh"
#include "math/relu.h"

namespace polycom {
namespace cuda {

pc_status relu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<relu>(queue, call);
}

pc_status relu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<relu>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
