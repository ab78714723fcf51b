// SwiGLU: SiLU(gate) times up, in CUDA.
#include "elementwise.cuh"
#include "math/silu.h"

namespace polycom {
namespace cuda {

pc_status swiglu_forward(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<silu, true>(queue, call);
}

pc_status swiglu_backward(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<silu, true>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
