#include "arguments.h"

#include <math.h>
#include <stdio.h>

namespace polycom {
namespace {

// A shape whose elements can be counted, and whose last byte's offset fits 63 bits.
pc_status check_shape(const signature& sign, int32_t index, const pc_tensor& tensor, bool output) {
  const char* name = tensor_name(sign, index);
  if (tensor.rank < 0 || tensor.rank > PC_MAX_RANK) {
    return fail(PC_INVALID_ARGUMENT, "%s: %s has rank %d; expected 0 to %d", sign.op, name, tensor.rank,
                PC_MAX_RANK);
  }
  int64_t count = 1, span = 0;
  bool empty = false;
  for (int32_t i = 0; i < tensor.rank; ++i) {
    const int64_t size = tensor.shape[i], stride = tensor.strides[i];
    if (size < 0) return fail(PC_INVALID_ARGUMENT, "%s: %s has a negative size on axis %d", sign.op, name, i);
    if (stride < 0)
      return fail(PC_INVALID_ARGUMENT, "%s: %s has a negative stride on axis %d", sign.op, name, i);
    empty = empty || size == 0;
    int64_t reach;
    if (__builtin_mul_overflow(count, size == 0 ? 1 : size, &count) ||
        __builtin_mul_overflow(size == 0 ? 0 : size - 1, stride, &reach) ||
        __builtin_add_overflow(span, reach, &span)) {
      return fail(PC_INVALID_ARGUMENT, "%s: %s is larger than 64-bit offsets reach", sign.op, name);
    }
  }
  int64_t bytes;
  if (__builtin_mul_overflow(count, int64_t(8), &bytes) || __builtin_mul_overflow(span, int64_t(8), &bytes)) {
    return fail(PC_INVALID_ARGUMENT, "%s: %s is larger than 64-bit offsets reach", sign.op, name);
  }
  if (output && !empty && tensor.rank > 0) {
    // Outputs may be strided but not fold onto themselves: axis i must step over all that lies inside it.
    int64_t inside = 1;
    for (int32_t i = tensor.rank - 1; i >= 0; --i) {
      if (tensor.shape[i] == 1) continue;
      if (tensor.strides[i] < inside) {
        return fail(PC_INVALID_ARGUMENT,
                    "%s: %s overlaps itself: stride %lld on axis %d; expected at least %lld", sign.op, name,
                    (long long)tensor.strides[i], i, (long long)inside);
      }
      inside = tensor.strides[i] * (tensor.shape[i] - 1) + inside;
    }
  }
  return PC_OK;
}

pc_status check_tensor(const signature& sign, int32_t index, const pc_tensor& tensor, bool output,
                       bool planning) {
  const char* name = tensor_name(sign, index);
  if (sign.tensor(index).integers) {
    if (tensor.dtype != PC_I32)
      return fail(PC_INVALID_ARGUMENT, "%s: %s has dtype %d; expected 3 (i32)", sign.op, name, tensor.dtype);
  } else if (tensor.dtype < PC_F32 || tensor.dtype > PC_BF16) {
    return fail(PC_INVALID_ARGUMENT, "%s: %s has dtype %d; expected 0 (f32), 1 (f16) or 2 (bf16)", sign.op,
                name, tensor.dtype);
  }
  if (pc_status status = check_shape(sign, index, tensor, output)) return status;
  if (planning || element_count(tensor) == 0) return PC_OK;
  if (tensor.data == nullptr) return fail(PC_INVALID_ARGUMENT, "%s: the data of %s is null", sign.op, name);
  if (uintptr_t(tensor.data) % uintptr_t(item_size(tensor.dtype)) != 0) {
    return fail(PC_INVALID_ARGUMENT, "%s: the data of %s is not aligned to its dtype", sign.op, name);
  }
  return PC_OK;
}

// How a message says what a scalar may be.
const char* expected_of(const scalar_rule& rule) {
  if (rule.count > 0) return rule.choices;
  switch (rule.range) {
    case PC_NOT_NEGATIVE:
      return "a finite number, 0 or more";
    case PC_POSITIVE:
      return "a finite number above 0";
    case PC_FRACTION:
      return "0 or more, and less than 1";
    default:
      return "a finite number";
  }
}

bool allows(const scalar_rule& rule, double value) {
  if (rule.count > 0) {
    for (int32_t choice = 0; choice < rule.count; ++choice) {
      if (value == choice) return true;
    }
    return false;
  }
  const float stored = float(value);
  if (!isfinite(stored)) return false;
  switch (rule.range) {
    case PC_NOT_NEGATIVE:
      return value >= 0;
    case PC_POSITIVE:
      return stored > 0;
    case PC_FRACTION:
      return value >= 0 && stored < 1;
    default:
      return true;
  }
}

}  // namespace

bool is_contiguous(const pc_tensor& tensor) {
  int64_t expected = 1;
  for (int32_t i = tensor.rank - 1; i >= 0; --i) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

int64_t element_count(const pc_tensor& tensor) {
  int64_t count = 1;
  for (int32_t i = 0; i < tensor.rank; ++i) count *= tensor.shape[i];
  return count;
}

bool same_shape(const pc_tensor& a, const pc_tensor& b) {
  if (a.rank != b.rank) return false;
  for (int32_t i = 0; i < a.rank; ++i) {
    if (a.shape[i] != b.shape[i]) return false;
  }
  return true;
}

shape_text::shape_text(const pc_tensor& tensor) {
  int at = snprintf(text, sizeof text, "[");
  for (int32_t i = 0; i < tensor.rank; ++i) {
    at +=
        snprintf(text + at, sizeof text - size_t(at), i == 0 ? "%lld" : ", %lld", (long long)tensor.shape[i]);
  }
  snprintf(text + at, sizeof text - size_t(at), "]");
}

pc_status check_like(const signature& sign, int32_t index, const pc_tensor& tensor, const char* of,
                     const pc_tensor& other) {
  if (tensor.dtype == other.dtype && same_shape(tensor, other)) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s and dtype %d; expected those of %s, %s and %d",
              sign.op, tensor_name(sign, index), shape_text(tensor).text, tensor.dtype, of,
              shape_text(other).text, other.dtype);
}

pc_status check_contiguous(const signature& sign, int32_t index, const pc_tensor& tensor) {
  if (is_contiguous(tensor)) return PC_OK;
  return fail(PC_UNSUPPORTED, "%s: %s is not contiguous", sign.op, tensor_name(sign, index));
}

pc_status check_plain(const signature& sign, int32_t index, const pc_tensor& tensor, int32_t rank) {
  const bool integer = sign.tensor(index).integers;
  if (tensor.rank != rank || (!integer && tensor.dtype != PC_F32)) {
    return fail(tensor.rank != rank ? PC_INVALID_ARGUMENT : PC_UNSUPPORTED,
                "%s: %s has shape %s and dtype %d; expected rank %d and dtype %d", sign.op,
                tensor_name(sign, index), shape_text(tensor).text, tensor.dtype, rank,
                integer ? PC_I32 : PC_F32);
  }
  return check_contiguous(sign, index, tensor);
}

pc_status check_stored(const signature& sign, int32_t index, const pc_tensor& tensor, int32_t rank) {
  if (tensor.rank == rank) return check_contiguous(sign, index, tensor);
  return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s; expected rank %d", sign.op, tensor_name(sign, index),
              shape_text(tensor).text, rank);
}

pc_status check_size(const signature& sign, int32_t index, const pc_tensor& tensor, int32_t axis,
                     int64_t expected) {
  if (tensor.shape[axis] == expected) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s; expected %lld on axis %d", sign.op,
              tensor_name(sign, index), shape_text(tensor).text, (long long)expected, axis);
}

pc_status check_integers(const signature& sign, int32_t index, const int32_t* values, int64_t count,
                         int64_t low, int64_t past) {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] >= low && values[i] < past) continue;
    return fail(PC_INVALID_ARGUMENT, "%s: %s[%lld] is %d; expected %lld to %lld", sign.op,
                tensor_name(sign, index), (long long)i, values[i], (long long)low, (long long)past - 1);
  }
  return PC_OK;
}

pc_status check_product(const signature& sign, int32_t index, int64_t rows, int64_t cols) {
  int64_t bytes;
  if (!__builtin_mul_overflow(rows, cols, &bytes) && !__builtin_mul_overflow(bytes, int64_t(8), &bytes))
    return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "%s: %s would be larger than 64-bit offsets reach", sign.op,
              tensor_name(sign, index));
}

pc_status check_order(const signature& sign, int32_t index, int64_t order) {
  if (order >= 1 && order <= PC_MAX_ORDER) return PC_OK;
  return fail(PC_UNSUPPORTED, "%s: %s has %lld coefficients; there are kernels for order 1 to %d", sign.op,
              tensor_name(sign, index), (long long)order, PC_MAX_ORDER);
}

pc_status check_weight(const signature& sign, int32_t index, const pc_tensor& tensor) {
  const char* name = tensor_name(sign, index);
  if (tensor.dtype != PC_F32 || tensor.rank != 1) {
    return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s and dtype %d; expected [order] in f32", sign.op,
                name, shape_text(tensor).text, tensor.dtype);
  }
  if (pc_status status = check_order(sign, index, tensor.shape[0])) return status;
  if (tensor.shape[0] > 1 && tensor.strides[0] != 1) {
    return fail(PC_UNSUPPORTED, "%s: %s has stride %lld; expected 1", sign.op, name,
                (long long)tensor.strides[0]);
  }
  return PC_OK;
}

pc_status check_one(const signature& sign, int32_t index, const pc_tensor& tensor) {
  if (tensor.dtype == PC_F32 && element_count(tensor) == 1) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s and dtype %d; expected a scalar in f32", sign.op,
              tensor_name(sign, index), shape_text(tensor).text, tensor.dtype);
}

pc_status check_workspace(const signature& sign, const pc_args* args, int64_t needed) {
  if (needed == 0) return PC_OK;
  if (args->workspace_size < needed) {
    return fail(PC_INVALID_ARGUMENT, "%s: the workspace has %lld bytes; expected at least %lld", sign.op,
                (long long)args->workspace_size, (long long)needed);
  }
  if (args->workspace == nullptr || uintptr_t(args->workspace) % 16 != 0) {
    return fail(PC_INVALID_ARGUMENT, "%s: the workspace is %s; expected a 16-byte aligned address", sign.op,
                args->workspace == nullptr ? "null" : "misaligned");
  }
  return PC_OK;
}

void shape_like(pc_tensor* tensor, const pc_tensor& like) {
  tensor->dtype = like.dtype;
  tensor->rank = like.rank;
  int64_t stride = 1;
  for (int32_t i = like.rank - 1; i >= 0; --i) {
    tensor->shape[i] = like.shape[i];
    tensor->strides[i] = stride;
    stride *= like.shape[i];
  }
}

pc_status check_block(const pc_queue* queue, const pc_args* args, const signature& sign, bool planning) {
  if (queue == nullptr) return fail(PC_INVALID_ARGUMENT, "%s: the queue is null", sign.op);
  if (args == nullptr) return fail(PC_INVALID_ARGUMENT, "%s: the arguments are null", sign.op);
  if (args->n_inputs != sign.n_inputs() || args->n_outputs != sign.n_outputs() ||
      args->n_scalars != sign.scalars.count) {
    return fail(PC_INVALID_ARGUMENT, "%s: got %d inputs, %d outputs and %d scalars; expected %d, %d and %d",
                sign.op, args->n_inputs, args->n_outputs, args->n_scalars, sign.n_inputs(), sign.n_outputs(),
                sign.scalars.count);
  }
  const int32_t count = sign.n_inputs() + sign.n_outputs();
  const int64_t size = int64_t(sizeof(pc_args)) + count * int64_t(sizeof(pc_tensor));
  if (args->size != size) {
    return fail(PC_INVALID_ARGUMENT, "%s: the argument block says %lld bytes; expected %lld", sign.op,
                (long long)args->size, (long long)size);
  }
  for (int32_t i = 0; i < (planning ? sign.n_inputs() : count); ++i) {
    const bool output = i >= sign.n_inputs();
    if (pc_status status = check_tensor(sign, i, tensors(args)[i], output, planning)) return status;
  }
  for (int32_t i = 0; i < sign.scalars.count; ++i) {
    const scalar_rule& rule = sign.scalars[i];
    if (allows(rule, args->scalars[i])) continue;
    return fail(PC_INVALID_ARGUMENT, "%s: %s is %g; expected %s", sign.op, rule.name, args->scalars[i],
                expected_of(rule));
  }
  return PC_OK;
}

pc_status as_matrix(const signature& sign, int32_t tensor, const pc_tensor& view, int64_t* rows,
                    int64_t* cols, matrix* folded) {
  const int32_t last = view.rank - 1;
  *cols = view.rank == 0 ? 1 : view.shape[last];
  *rows = 1;
  *folded = {view.data, *cols};
  if (view.rank == 0) return PC_OK;
  if (*cols > 1 && view.strides[last] != 1) {
    return fail(PC_UNSUPPORTED, "%s: the last axis of %s has stride %lld; expected 1", sign.op,
                tensor_name(sign, tensor), (long long)view.strides[last]);
  }
  int64_t step = -1;  // from one row to the next
  for (int32_t i = last - 1; i >= 0; --i) {
    if (view.shape[i] == 1) continue;
    if (step < 0) {
      folded->stride = step = view.strides[i];
    } else if (view.strides[i] != step * *rows && element_count(view) != 0) {
      return fail(PC_UNSUPPORTED,
                  "%s: the leading axes of %s are not evenly spaced (axis %d: stride %lld, expected %lld)",
                  sign.op, tensor_name(sign, tensor), i, (long long)view.strides[i],
                  (long long)(step * *rows));
    }
    *rows *= view.shape[i];
  }
  return PC_OK;
}

}  // namespace polycom
