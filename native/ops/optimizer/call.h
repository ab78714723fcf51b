// Checked calls of the optimizer's ops: lists of tensors, cut into chunks of their elements.
#pragma once
#include "math/portable.h"
#include "polycom.h"

struct pc_queue;

namespace polycom {

constexpr int64_t list_chunk = 65536;  // elements

PC_MATH int64_t chunks_of(int64_t elements) { return (elements + list_chunk - 1) / list_chunk; }

struct squaresum_call {
  const pc_tensor* tensors;
  int32_t count;
  int64_t chunks;    // of all tensors
  double* partials;  // one a chunk
  float* sum;
};

// What adamw is told, in the order of its input `hyper`.
struct adamw_rates {
  float rate, beta1, rest1, beta2, rest2, epsilon, decay, scale, correction1, root_correction2;
};
constexpr int64_t adamw_rate_count = 10;

// What adamw has of each parameter, in this order: mixedadamw alone has the copy.
enum { PARAMETER, GRADIENT, M, V, COPY };

// Those of storage f32, f16 or bf16 are gradients, and of f16 or bf16 copies; the others are f32.
struct adamw_call {
  const float* rates;
  const pc_tensor* tensors;  // each * count
  int32_t each, count;       // each: 4, or 5 with a copy
  int64_t chunks;
};

inline int64_t count_elements(const pc_tensor& tensor) {
  int64_t count = 1;
  for (int32_t i = 0; i < tensor.rank; ++i) count *= tensor.shape[i];
  return count;
}

}  // namespace polycom
