// A checked call of groupedpolynorm or groupedpolynormglu.
#pragma once
#include "activations/activation.h"
#include "polycom.h"

namespace polycom {

struct groupedpolynorm_call {
  pc_dtype dtype;  // of x, up, dy, y, dx and dup
  int32_t order;
  int64_t rows, cols, groups;
  matrix x, up, dy;        // up: gated, dy: backward, else without data
  matrix out, dup;         // out is y, or dx; contiguous
  const float* weight;     // [groups, order]
  const float* bias;       // [groups]
  bool has_offsets;        // else the one group has all rows
  const int32_t* offsets;  // [groups + 1]
  bool has_shift;
  const float* shift;  // [cols]
  float epsilon, output_scale;
  float input_limit, bias_limit;  // infinite where nothing is clamped
  double inverse_count;           // what a row's sums are multiplied by: 1 / cols, or 1 for the L2 norm
  float *dweight, *dbias, *dshift;
  double* workspace;  // backward: group_shares(), then as many rows of column sums as there are pieces

  PC_PORTABLE bool empty() const { return rows == 0 || cols == 0; }
  // Each row's share of its group's coefficient gradients: [rows, order + 1], the bias first.
  PC_PORTABLE double* group_shares() const { return workspace; }
  PC_PORTABLE double* column_sums() const { return workspace + rows * (order + 1); }
};

// The bytes of workspace that a backward pass needs.
namespace cpu {
int64_t groupedpolynorm_workspace(const groupedpolynorm_call& call);
}
namespace cuda {
int64_t groupedpolynorm_workspace(const groupedpolynorm_call& call);
}

}  // namespace polycom
