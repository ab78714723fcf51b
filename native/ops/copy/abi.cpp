// pc_copy: the yardstick of the benchmarks.
#include "call.h"
#include "runtime/arguments.h"
#include "runtime/kernels.h"

namespace polycom {

namespace {

constexpr signature sign = {
    "copy", {"x"}, {"y"}, {{"method", PC_FINITE, 3, "0 (any), 1 (memcpy) or 2 (streaming stores)"}}};

}  // namespace
}  // namespace polycom

using namespace polycom;

pc_status pc_copy_plan(const pc_queue* queue, pc_args* args) {
  if (pc_status status = check_block(queue, args, sign, true)) return status;
  shape_like(&tensors(args)[1], tensors(args)[0]);
  args->workspace_size = 0;
  return PC_OK;
}

pc_status pc_copy(pc_queue* queue, const pc_args* args) {
  if (pc_status status = check_block(queue, args, sign, false)) return status;
  const pc_tensor &x = tensors(args)[0], &y = tensors(args)[1];
  if (x.dtype != y.dtype || !same_shape(x, y)) {
    return fail(PC_INVALID_ARGUMENT, "copy: y has shape %s and dtype %d; expected those of x, %s and %d",
                shape_text(y).text, y.dtype, shape_text(x).text, x.dtype);
  }
  if (!is_contiguous(x) || !is_contiguous(y)) return fail(PC_UNSUPPORTED, "copy: x and y must be contiguous");
  const int64_t bytes = element_count(x) * item_size(x.dtype);
  if (queue->device == PC_CPU) {
    return cpu::copy(
        *queue, {static_cast<const char*>(x.data), static_cast<char*>(y.data), bytes, args->scalars[0] == 2});
  }
  return cuda::copy(*queue, x.data, y.data, bytes);
}
