// PolyNorm(gate) times up, in CUDA.
#include "polynorm.cuh"

namespace polycom {
namespace cuda {

pc_status polynormglu_forward(pc_queue& queue, const activation_call& call) {
  return polynorm_forward_of<true>(queue, call);
}

pc_status polynormglu_backward(pc_queue& queue, const activation_call& call) {
  return polynorm_backward_of<true>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
