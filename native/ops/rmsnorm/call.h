// A checked call of rmsnorm or addrmsnorm: rows of `cols` contiguous floats.
#pragma once
#include "polycom.h"

struct pc_queue;

namespace polycom {

struct rmsnorm_call {
  int64_t rows, cols;
  float epsilon;
  const float* x;  // addrmsnorm backward: sum
  const float* weight;
  const float* residual;   // addrmsnorm forward, else null
  const float *dy, *dsum;  // dsum: addrmsnorm backward, else null
  float *y, *sum;          // sum: addrmsnorm forward, else null
  float *dx, *dweight;
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
