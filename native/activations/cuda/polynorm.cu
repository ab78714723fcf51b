// PolyNorm, in CUDA.
#include "polynorm.cuh"

namespace polycom {
namespace cuda {

pc_status polynorm_forward(pc_queue& queue, const activation_call& call) {
  return polynorm_forward_of<false>(queue, call);
}

pc_status polynorm_backward(pc_queue& queue, const activation_call& call) {
  return polynorm_backward_of<false>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
