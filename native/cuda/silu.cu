// SiLU, in CUDA.
#include "elementwise.cuh"
#include "math/silu.h"

namespace polycom {
namespace cuda {

pc_status silu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<silu>(queue, call);
}

pc_status silu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<silu>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
