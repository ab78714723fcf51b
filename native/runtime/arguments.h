// Reading an argument block: every check that keeps a kernel inside its memory.
#pragma once
#include <initializer_list>

#include "activations/activation.h"
#include "error.h"

namespace polycom {

// A tensor that a call carries: what a message calls it, and whether it holds i32.
struct tensor_rule {
  const char* name;
  bool integers;

  constexpr tensor_rule(const char* its_name = nullptr, bool holds_integers = false)
      : name(its_name), integers(holds_integers) {}
};
constexpr tensor_rule i32(const char* name) { return {name, true}; }

// A number that a call carries: what a message calls it, and what it may be.
struct scalar_rule {
  const char* name;
  int32_t range;                  // PC_FINITE, PC_NOT_NEGATIVE ..; of a choice, any
  int32_t count = 0;              // of choices, 0 to count - 1; or 0
  const char* choices = nullptr;  // as a message lists them
};

// The rules of a list of polycom.h.
#define PC_SCALAR(name, range) {#name, range},
#define PC_CHOICE(name, count, choices) {#name, PC_FINITE, count, choices},

// At most `most` of something, in their order.
template <class T, int32_t most>
struct list_of {
  T items[most] = {};
  int32_t count = 0;

  constexpr list_of() = default;
  constexpr list_of(std::initializer_list<T> given) {
    for (const T& item : given) add(item);
  }
  constexpr void add(const T& item) { items[count++] = item; }
  constexpr const T& operator[](int32_t i) const { return items[i]; }
};
using tensor_list = list_of<tensor_rule, 12>;
using scalar_list = list_of<scalar_rule, PC_MAX_SCALARS>;

// What a call of an op carries, in its order.
struct signature {
  const char* op = nullptr;
  tensor_list inputs = {}, outputs = {};
  scalar_list scalars = {};
  int32_t repeated = 0;  // so many of the last inputs may come again and again: there are `more` of them
  int32_t more = 0;

  constexpr int32_t n_inputs() const { return inputs.count + more; }
  constexpr int32_t n_outputs() const { return outputs.count; }
  // Number i of the tensors, inputs first.
  constexpr const tensor_rule& tensor(int32_t i) const {
    if (i >= n_inputs()) return outputs[i - n_inputs()];
    return inputs[i < inputs.count ? i : inputs.count - repeated + (i - inputs.count) % repeated];
  }
};

inline const pc_tensor* tensors(const pc_args* args) { return reinterpret_cast<const pc_tensor*>(args + 1); }
inline pc_tensor* tensors(pc_args* args) { return reinterpret_cast<pc_tensor*>(args + 1); }

// Counts, block size, scalars, and dtypes, ranks, shapes and strides of the inputs (and of the outputs too,
// unless planning).
pc_status check_block(const pc_queue* queue, const pc_args* args, const signature& sign, bool planning);

// The number of elements; every checked tensor has one that fits.
int64_t element_count(const pc_tensor& tensor);

constexpr int64_t item_size(pc_dtype dtype) { return dtype == PC_F32 || dtype == PC_I32 ? 4 : 2; }

bool is_contiguous(const pc_tensor& tensor);

bool same_shape(const pc_tensor& a, const pc_tensor& b);

// Whether a tensor has another's dtype and shape, in words if not: `of` names the other.
pc_status check_like(const signature& sign, int32_t index, const pc_tensor& tensor, const char* of,
                     const pc_tensor& other);

// Whether a tensor has this rank and is contiguous f32, or i32 where the signature says so.
pc_status check_plain(const signature& sign, int32_t index, const pc_tensor& tensor, int32_t rank);

// Whether it has this rank and is contiguous, of any storage.
pc_status check_stored(const signature& sign, int32_t index, const pc_tensor& tensor, int32_t rank);

pc_status check_contiguous(const signature& sign, int32_t index, const pc_tensor& tensor);

// Whether an axis has this size.
pc_status check_size(const signature& sign, int32_t index, const pc_tensor& tensor, int32_t axis,
                     int64_t expected);

// Whether whole numbers that lie on the CPU are in [low, past).
// The text has the first that is not, and its index.
pc_status check_integers(const signature& sign, int32_t index, const int32_t* values, int64_t count,
                         int64_t low, int64_t past);

// Whether a tensor of rows * cols elements, which an op is to make, can be counted.
pc_status check_product(const signature& sign, int32_t index, int64_t rows, int64_t cols);

// Whether there are kernels for a polynomial of this order, which `tensor` has.
pc_status check_order(const signature& sign, int32_t index, int64_t order);

// One f32 coefficient for each power, highest first: [order], contiguous.
pc_status check_weight(const signature& sign, int32_t index, const pc_tensor& tensor);

// One f32, whatever its rank.
pc_status check_one(const signature& sign, int32_t index, const pc_tensor& tensor);

// An address of 16 bytes' alignment, and enough behind it, where any is needed.
pc_status check_workspace(const signature& sign, const pc_args* args, int64_t needed);

// A shape as text, "[2, 3]", for messages.
struct shape_text {
  explicit shape_text(const pc_tensor& tensor);
  char text[200];
};

// Makes `tensor` contiguous, of the shape of `like`.
void shape_like(pc_tensor* tensor, const pc_tensor& like);

// Folds the leading axes into rows. Fails if the last axis is not contiguous or the
// others are not evenly spaced.
pc_status as_matrix(const signature& sign, int32_t tensor, const pc_tensor& view, int64_t* rows,
                    int64_t* cols, matrix* folded);

inline const char* tensor_name(const signature& sign, int32_t tensor) { return sign.tensor(tensor).name; }

}  // namespace polycom
