// ReLU squared, in CUDA.
#include "elementwise.cuh"
#include "math/relu2.h"

namespace polycom {
namespace cuda {

pc_status relu2_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<relu2>(queue, call);
}

pc_status relu2_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<relu2>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
