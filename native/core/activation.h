// A checked call of an activation: what every kernel, CPU or CUDA, is handed.
#pragma once
#include "math/portable.h"
#include "polycom.h"
#include "queue.h"

namespace polycom {

// Rows of `cols` contiguous elements, `stride` elements apart.
struct matrix {
  void* data;
  int64_t stride;

  template <class T>
  PC_PORTABLE T* row(int64_t r) const {
    return static_cast<T*>(data) + r * stride;
  }
};

struct activation_call {
  pc_dtype dtype;
  int32_t order;
  int64_t rows, cols;
  // Those that a pass lacks have no data. x is a gated activation's gate, out is y, or dx.
  matrix x, up, dy, out, dup;
  bool contiguous;  // every matrix is one run of rows * cols elements
  const float* weight;
  const float* bias;
  float* dweight;
  float* dbias;
  float epsilon;
  double inverse_count;  // what a row's sums are multiplied by: 1 / cols, or 1 for the L2 norm
  bool approximate;
  double* partials;  // backward with coefficients: coefficient_partials() times order + 1
};

using activation_kernel = pc_status (*)(pc_queue& queue, const activation_call& call);

// How many partial sums of the coefficient gradients a backward pass keeps: fixed by the shape alone.
namespace cpu {
int64_t coefficient_partials(int64_t rows, int64_t cols, bool rowwise);
}
namespace cuda {
int64_t coefficient_partials(int64_t rows, int64_t cols, bool rowwise);
}

}  // namespace polycom
