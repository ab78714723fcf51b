// Checked calls of polynormapply, and of polynormmoments and polynormproducts before it.
#pragma once
#include "core/activation.h"
#include "polycom.h"

namespace polycom {

struct polynormapply_call {
  pc_dtype dtype;  // of x, dy, y and dx
  int32_t order;
  int64_t rows, cols;  // a rank's
  matrix x, dy;        // dy: backward and products, else without data
  matrix out;          // y, or dx; contiguous
  const float *weight, *bias;
  const float* moments;   // [rows, order]
  const float* products;  // [rows, order + 1]
  float epsilon;
  double inverse_count;  // backward and moments: 1 / count
  float* sums;           // of polynormmoments, as `moments`; of polynormproducts, as `products`
  float *dweight, *dbias;
  double* workspace;  // backward: pieces of the rows, order + 1 sums each
};
using polynormmoments_call = polynormapply_call;
using polynormproducts_call = polynormapply_call;

// The pieces of the rows whose coefficient gradients are summed apart: fixed by the shape alone.
struct apply_pieces {
  static constexpr int64_t most = 64;
  int64_t rows, count;
};
constexpr apply_pieces cut_apply(int64_t rows) {
  const int64_t size = rows < apply_pieces::most ? 1 : (rows + apply_pieces::most - 1) / apply_pieces::most;
  return {size, (rows + size - 1) / size};
}

namespace cuda {
pc_status polynormapply_forward(pc_queue& queue, const polynormapply_call& call);
pc_status polynormapply_backward(pc_queue& queue, const polynormapply_call& call);
pc_status polynormmoments(pc_queue& queue, const polynormapply_call& call);
pc_status polynormproducts(pc_queue& queue, const polynormapply_call& call);
}  // namespace cuda

}  // namespace polycom
