// A checked call of rmsnorm or addrmsnorm: rows of `cols` contiguous elements.
#pragma once
#include "polycom.h"

struct pc_queue;

namespace polycom {

struct rmsnorm_call {
  pc_dtype dtype;  // of all but the weight and its gradient
  int64_t rows, cols;
  float epsilon;
  const void* x;  // addrmsnorm backward: sum
  const float* weight;
  const void* residual;   // addrmsnorm forward, else null
  const void *dy, *dsum;  // dsum: addrmsnorm backward, else null
  void *y, *sum;          // sum: addrmsnorm forward, else null
  void* dx;
  float* dweight;
  double* workspace;  // backward
};

// The bytes of workspace that a backward pass needs.
namespace cpu {
int64_t rmsnorm_workspace(const rmsnorm_call& call);
}
namespace cuda {
int64_t rmsnorm_workspace(const rmsnorm_call& call);
}

}  // namespace polycom
