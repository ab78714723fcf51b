// Reading an argument block: every check that keeps a kernel inside its memory.
#pragma once
#include "activation.h"
#include "error.h"

namespace polycom {

// The names of an op's tensors, inputs first: what a message calls them, and how many there must be.
struct signature {
  const char* op;
  const char* const* inputs;
  int32_t n_inputs;
  const char* const* outputs;
  int32_t n_outputs;
  int32_t n_scalars;
  uint64_t integers = 0;  // a bit for each of the first 64 tensors, inputs first: whether it holds i32
  uint64_t bytes = 0;     // likewise, f8
};

inline const pc_tensor* tensors(const pc_args* args) { return reinterpret_cast<const pc_tensor*>(args + 1); }
inline pc_tensor* tensors(pc_args* args) { return reinterpret_cast<pc_tensor*>(args + 1); }

// Counts, block size, dtypes, ranks, shapes and strides of the inputs (and of the outputs too, unless
// planning).
pc_status check_block(const pc_queue* queue, const pc_args* args, const signature& sign, bool planning);

// The number of elements; every checked tensor has one that fits.
int64_t element_count(const pc_tensor& tensor);

constexpr int64_t item_size(pc_dtype dtype) {
  return dtype == PC_F32 || dtype == PC_I32 ? 4 : dtype == PC_F8E4M3 ? 1 : 2;
}

bool is_contiguous(const pc_tensor& tensor);

bool same_shape(const pc_tensor& a, const pc_tensor& b);

// Whether a tensor has another's dtype and shape, in words if not: `of` names the other.
pc_status check_like(const signature& sign, int32_t index, const pc_tensor& tensor, const char* of,
                     const pc_tensor& other);

// Whether a tensor has this rank and is contiguous f32, or i32 where the signature says so.
pc_status check_plain(const signature& sign, int32_t index, const pc_tensor& tensor, int32_t rank);

pc_status check_contiguous(const signature& sign, int32_t index, const pc_tensor& tensor);

// Whether an axis has this size.
pc_status check_size(const signature& sign, int32_t index, const pc_tensor& tensor, int32_t axis,
                     int64_t expected);

// Whether whole numbers that lie on the CPU are in [low, past). The text has the first that is not, and its
// index.
pc_status check_integers(const signature& sign, int32_t index, const int32_t* values, int64_t count,
                         int64_t low, int64_t past);

// Whether a tensor of rows * cols elements, which an op is to make, can be counted.
pc_status check_product(const signature& sign, int32_t index, int64_t rows, int64_t cols);

// An epsilon: finite in f32, and not negative.
pc_status check_epsilon(const signature& sign, double epsilon);

// A scalar that is a choice: 0 or 1.
pc_status check_choice(const signature& sign, const char* name, double value, const char* choices);

// Whether there are kernels for a polynomial of this order, which `tensor` has.
pc_status check_order(const signature& sign, int32_t index, int64_t order);

// One f32 coefficient for each power, highest first: [order], contiguous.
pc_status check_weight(const signature& sign, int32_t index, const pc_tensor& tensor);

// One f32, whatever its rank.
pc_status check_bias(const signature& sign, int32_t index, const pc_tensor& tensor);

// An address of 16 bytes' alignment, and enough behind it, where any is needed.
pc_status check_workspace(const signature& sign, const pc_args* args, int64_t needed);

// A shape as text, "[2, 3]", for messages.
struct shape_text {
  explicit shape_text(const pc_tensor& tensor);
  char text[200];
};

// Makes `tensor` contiguous, of the shape of `like`.
void shape_like(pc_tensor* tensor, const pc_tensor& like);

// Folds the leading axes into rows. Fails if the last axis is not contiguous or the others are not evenly
// spaced.
pc_status as_matrix(const signature& sign, int32_t tensor, const pc_tensor& view, int64_t* rows,
                    int64_t* cols, matrix* folded);

const char* tensor_name(const signature& sign, int32_t tensor);

}  // namespace polycom
