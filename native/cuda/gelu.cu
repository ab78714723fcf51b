// GELU, exact or by tanh, in CUDA.
#include "elementwise.cuh"
#include "math/gelu.h"

namespace polycom {
namespace cuda {

pc_status gelu_forward(pc_queue& queue, const activation_call& call) {
  return call.approximate ? elementwise_forward<gelu_tanh>(queue, call)
                          : elementwise_forward<gelu>(queue, call);
}

pc_status gelu_backward(pc_queue& queue, const activation_call& call) {
  return call.approximate ? elementwise_backward<gelu_tanh>(queue, call)
                          : elementwise_backward<gelu>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
