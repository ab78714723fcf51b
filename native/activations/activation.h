// A checked call of an activation: what every kernel, CPU or CUDA, is handed.
#pragma once
#include "math/formula.h"
#include "math/portable.h"
#include "polycom.h"
#include "runtime/queue.h"

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
  int64_t rows, cols;
  // Those that a pass lacks have no data. x is a gated activation's gate, out is y, or dx.
  matrix x, up, dy, out, dup;
  bool contiguous;  // every matrix is one run of rows * cols elements
  formula_inputs inputs;
  float* gradients[max_parameters];  // backward: the parameters'
  int64_t sizes[max_parameters];     // elements of each parameter; 0 past the last
  double* partials;                  // backward: partial_sums() for each element of the parameters
  unsigned* ticket;                  // CUDA, where there are partials: a word behind them, see ticket.cuh
};

using activation_kernel = pc_status (*)(pc_queue& queue, const activation_call& call);

// How many partial sums of a parameter's gradient a backward pass keeps: fixed by the shape alone.
namespace cpu {
int64_t partial_sums(int64_t rows, int64_t cols, bool rowwise);
}
namespace cuda {
int64_t partial_sums(int64_t rows, int64_t cols, bool rowwise);
}

}  // namespace polycom
