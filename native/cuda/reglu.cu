// ReGLU: ReLU(gate) times up, in CUDA.
#include "elementwise.cuh"
#include "math/relu.h"

namespace polycom {
namespace cuda {

pc_status reglu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<relu, true>(queue, call);
}

pc_status reglu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<relu, true>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
