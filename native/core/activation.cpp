// Every activation's C functions: check the block, fold it into a call, hand it to the device's kernel.
#include "activation.h"

#include <math.h>

#include "arguments.h"
#include "cpu/dispatch.h"
#include "threads.h"

#if defined(PC_HAVE_CUDA)
#define PC_CUDA_KERNEL(kernel) cuda::kernel
#else
#define PC_CUDA_KERNEL(kernel) nullptr
#endif

namespace polycom {

#if defined(PC_HAVE_CUDA)
namespace cuda {
#define PC_DECLARE(name, traits)                                          \
  pc_status name##_forward(pc_queue& queue, const activation_call& call); \
  pc_status name##_backward(pc_queue& queue, const activation_call& call);
PC_ACTIVATIONS(PC_DECLARE)
#undef PC_DECLARE
}  // namespace cuda
#endif

namespace {

// The orders that have kernels.
constexpr int64_t supported_order = 3;

struct pass {
  signature sign;
  int32_t traits;
  bool backward;
  activation_kernel cpu, cuda;
};

constexpr const char* with_coefficients[] = {"x", "weight", "bias", "dy"};
constexpr const char* without_coefficients[] = {"x", "dy"};
constexpr const char* forward_outputs[] = {"y"};
constexpr const char* backward_outputs[] = {"dx", "dweight", "dbias"};

constexpr pass make_pass(const char* op, int32_t traits, bool backward, activation_kernel cpu,
                         activation_kernel cuda) {
  const bool coefficients = traits & PC_COEFFICIENTS;
  const int32_t n_inputs = 1 + (coefficients ? 2 : 0) + (backward ? 1 : 0);
  const int32_t n_outputs = backward && coefficients ? 3 : 1;
  return {{op, coefficients ? with_coefficients : without_coefficients, n_inputs,
           backward ? backward_outputs : forward_outputs, n_outputs, traits & PC_ROWWISE ? 1 : 0},
          traits,
          backward,
          cpu,
          cuda};
}

pc_status check_coefficient(const signature& sign, int32_t index, const pc_tensor& tensor) {
  const bool is_weight = index % sign.n_inputs == 1;
  const bool shape_ok = is_weight ? tensor.rank == 1 : element_count(tensor) == 1;
  if (tensor.dtype != PC_F32 || !shape_ok) {
    return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s and dtype %d; expected %s in f32", sign.op,
                tensor_name(sign, index), shape_text(tensor).text, tensor.dtype,
                is_weight ? "[order]" : "a scalar");
  }
  if (is_weight && tensor.shape[0] != supported_order) {
    return fail(PC_UNSUPPORTED, "%s: %s has %lld coefficients; this library has kernels for order %lld",
                sign.op, tensor_name(sign, index), (long long)tensor.shape[0], (long long)supported_order);
  }
  if (is_weight && tensor.strides[0] != 1) {
    return fail(PC_UNSUPPORTED, "%s: %s has stride %lld; expected 1", sign.op, tensor_name(sign, index),
                (long long)tensor.strides[0]);
  }
  return PC_OK;
}

pc_status check_like_x(const signature& sign, int32_t index, const pc_tensor& tensor, const pc_tensor& x) {
  if (tensor.dtype == x.dtype && same_shape(tensor, x)) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s and dtype %d; expected those of x, %s and %d",
              sign.op, tensor_name(sign, index), shape_text(tensor).text, tensor.dtype, shape_text(x).text,
              x.dtype);
}

// The inputs: x, [weight, bias], [dy].
pc_status check_inputs(const pass& p, const pc_args* args) {
  const pc_tensor* in = tensors(args);
  const pc_tensor& x = in[0];
  if (x.dtype != PC_F32)
    return fail(PC_UNSUPPORTED, "%s: dtype %d; this library has kernels for f32", p.sign.op, x.dtype);
  if ((p.traits & PC_ROWWISE) && x.rank == 0) {
    return fail(PC_INVALID_ARGUMENT,
                "%s: x is a scalar; expected rank 1 or more: it is normalised over the last axis", p.sign.op);
  }
  if (p.traits & PC_COEFFICIENTS) {
    for (int32_t i = 1; i <= 2; ++i) {
      if (pc_status status = check_coefficient(p.sign, i, in[i])) return status;
    }
  }
  if (p.backward) {
    const int32_t dy = p.sign.n_inputs - 1;
    if (pc_status status = check_like_x(p.sign, dy, in[dy], x)) return status;
  }
  if (p.traits & PC_ROWWISE) {
    const double epsilon = args->scalars[0];
    if (!(epsilon >= 0) || !isfinite(float(epsilon))) {
      return fail(PC_INVALID_ARGUMENT, "%s: epsilon is %g; expected a finite number, 0 or more", p.sign.op,
                  epsilon);
    }
  }
  return PC_OK;
}

int64_t workspace_size(const pass& p, pc_device device, int64_t rows, int64_t cols, int64_t order) {
  if (!p.backward || !(p.traits & PC_COEFFICIENTS)) return 0;
  const bool rowwise = p.traits & PC_ROWWISE;
  const int64_t partials = device == PC_CPU ? cpu::coefficient_partials(rows, cols, rowwise)
                                            : cuda::coefficient_partials(rows, cols, rowwise);
  return partials * (order + 1) * int64_t(sizeof(double));
}

// Folds x, dy and the output into matrices.
pc_status fold(const pass& p, const pc_args* args, bool planning, activation_call* call) {
  const pc_tensor* all = tensors(args);
  const int32_t dy = p.sign.n_inputs - 1, out = p.sign.n_inputs;
  if (pc_status status = as_matrix(p.sign, 0, all[0], &call->rows, &call->cols, &call->x)) return status;
  int64_t rows, cols;
  call->contiguous = call->x.stride == call->cols || call->rows == 1;
  if (p.backward) {
    if (pc_status status = as_matrix(p.sign, dy, all[dy], &rows, &cols, &call->dy)) return status;
    call->contiguous &= call->dy.stride == cols || rows == 1;
  }
  if (!planning) {
    if (pc_status status = as_matrix(p.sign, out, all[out], &rows, &cols, &call->out)) return status;
    call->contiguous &= call->out.stride == cols || rows == 1;
  }
  return PC_OK;
}

pc_status plan(const pass& p, const pc_queue* queue, pc_args* args) {
  if (pc_status status = check_block(queue, args, p.sign, true)) return status;
  if (pc_status status = check_inputs(p, args)) return status;
  activation_call call{};
  if (pc_status status = fold(p, args, true, &call)) return status;
  pc_tensor* all = tensors(args);
  const int32_t like[] = {0, 1, 2};  // y or dx as x, dweight as weight, dbias as bias
  for (int32_t i = 0; i < p.sign.n_outputs; ++i) shape_like(&all[p.sign.n_inputs + i], all[like[i]]);
  const int64_t order = p.traits & PC_COEFFICIENTS ? all[1].shape[0] : 0;
  args->workspace_size = workspace_size(p, queue->device, call.rows, call.cols, order);
  return PC_OK;
}

pc_status check_workspace(const pass& p, const pc_args* args, int64_t needed) {
  if (needed == 0) return PC_OK;
  if (args->workspace_size < needed) {
    return fail(PC_INVALID_ARGUMENT, "%s: the workspace has %lld bytes; expected at least %lld", p.sign.op,
                (long long)args->workspace_size, (long long)needed);
  }
  if (args->workspace == nullptr || uintptr_t(args->workspace) % 16 != 0) {
    return fail(PC_INVALID_ARGUMENT, "%s: the workspace is %s; expected a 16-byte aligned address", p.sign.op,
                args->workspace == nullptr ? "null" : "misaligned");
  }
  return PC_OK;
}

pc_status run(const pass& p, pc_queue* queue, const pc_args* args) {
  if (pc_status status = check_block(queue, args, p.sign, false)) return status;
  if (pc_status status = check_inputs(p, args)) return status;
  const pc_tensor* all = tensors(args);
  const pc_tensor* outputs = all + p.sign.n_inputs;
  if (pc_status status = check_like_x(p.sign, p.sign.n_inputs, outputs[0], all[0])) return status;
  activation_call call{};
  if (pc_status status = fold(p, args, false, &call)) return status;
  call.dtype = all[0].dtype;
  call.epsilon = float(args->scalars[0]);
  if (p.traits & PC_COEFFICIENTS) {
    call.weight = static_cast<const float*>(all[1].data);
    call.bias = static_cast<const float*>(all[2].data);
    call.order = int32_t(all[1].shape[0]);
  }
  if (p.backward && (p.traits & PC_COEFFICIENTS)) {
    for (int32_t i = 1; i <= 2; ++i) {
      if (pc_status status = check_coefficient(p.sign, p.sign.n_inputs + i, outputs[i])) return status;
    }
    call.dweight = static_cast<float*>(outputs[1].data);
    call.dbias = static_cast<float*>(outputs[2].data);
    const int64_t needed = workspace_size(p, queue->device, call.rows, call.cols, call.order);
    if (pc_status status = check_workspace(p, args, needed)) return status;
    call.partials = static_cast<double*>(args->workspace);
  }
  const activation_kernel kernel = queue->device == PC_CPU ? p.cpu : p.cuda;
  if (kernel == nullptr) return fail(PC_NO_DEVICE, "%s: this library was built without CUDA", p.sign.op);
  return kernel(*queue, call);
}

}  // namespace
}  // namespace polycom

using namespace polycom;

#define PC_DEFINE_PASS(name, traits, direction, is_backward)                        \
  static constexpr pass name##_##direction##_pass =                                 \
      make_pass(#name "_" #direction, traits, is_backward, cpu::name##_##direction, \
                PC_CUDA_KERNEL(name##_##direction));                                \
  pc_status pc_##name##_##direction(pc_queue* queue, const pc_args* args) {         \
    return run(name##_##direction##_pass, queue, args);                             \
  }                                                                                 \
  pc_status pc_##name##_##direction##_plan(const pc_queue* queue, pc_args* args) {  \
    return plan(name##_##direction##_pass, queue, args);                            \
  }
#define PC_DEFINE(name, traits) \
  PC_DEFINE_PASS(name, traits, forward, false) PC_DEFINE_PASS(name, traits, backward, true)
PC_ACTIVATIONS(PC_DEFINE)
