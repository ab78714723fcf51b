// Every activation's C functions: check the block, fold it into a call, hand it to the device's kernel.
#include "activation.h"

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

struct pass {
  signature sign;
  int32_t traits;
  bool backward;
  activation_kernel cpu, cuda;

  constexpr bool coefficients() const { return traits & PC_COEFFICIENTS; }
  constexpr bool gated() const { return traits & PC_GATED; }
  constexpr bool rowwise() const { return traits & PC_ROWWISE; }
  constexpr bool approximate() const { return traits & PC_APPROXIMATE; }
  // Where the tensors are: x or the gate is first, dy last. An input's gradient stands where the input does.
  constexpr int32_t up() const { return 1; }
  constexpr int32_t weight() const { return gated() ? 2 : 1; }
  constexpr int32_t bias() const { return weight() + 1; }
  constexpr int32_t dy() const { return sign.n_inputs - 1; }
};

// The inputs of a backward pass; a forward pass lacks the last. Their gradients.
constexpr const char* plain[] = {"x", "dy"};
constexpr const char* plain_gradients[] = {"dx"};
constexpr const char* polynomial[] = {"x", "weight", "bias", "dy"};
constexpr const char* polynomial_gradients[] = {"dx", "dweight", "dbias"};
constexpr const char* gated[] = {"gate", "up", "dy"};
constexpr const char* gated_gradients[] = {"dgate", "dup"};
constexpr const char* gated_polynomial[] = {"gate", "up", "weight", "bias", "dy"};
constexpr const char* gated_polynomial_gradients[] = {"dgate", "dup", "dweight", "dbias"};
constexpr const char* forward_outputs[] = {"y"};

constexpr pass make_pass(const char* op, int32_t traits, bool backward, activation_kernel cpu,
                         activation_kernel cuda) {
  const bool has_gate = traits & PC_GATED, has_coefficients = traits & PC_COEFFICIENTS;
  const char* const* inputs =
      has_gate ? (has_coefficients ? gated_polynomial : gated) : (has_coefficients ? polynomial : plain);
  const char* const* gradients = has_gate ? (has_coefficients ? gated_polynomial_gradients : gated_gradients)
                                          : (has_coefficients ? polynomial_gradients : plain_gradients);
  const int32_t n_differentiable = (has_gate ? 2 : 1) + (has_coefficients ? 2 : 0);
  const int32_t n_scalars = traits & PC_ROWWISE ? 2 : traits & PC_APPROXIMATE ? 1 : 0;
  return {{op, inputs, n_differentiable + (backward ? 1 : 0), backward ? gradients : forward_outputs,
           backward ? n_differentiable : 1, n_scalars},
          traits,
          backward,
          cpu,
          cuda};
}

pc_status check_scalars(const pass& p, const double* scalars) {
  if (p.approximate()) return check_choice(p.sign, "approximate", scalars[0], "0 (by erf) or 1 (by tanh)");
  if (!p.rowwise()) return PC_OK;
  if (pc_status status = check_epsilon(p.sign, scalars[0])) return status;
  return check_choice(p.sign, "norm", scalars[1], "0 (RMS) or 1 (L2)");
}

pc_status check_inputs(const pass& p, const pc_args* args) {
  const pc_tensor* in = tensors(args);
  if (p.rowwise() && in[0].rank == 0) {
    return fail(PC_INVALID_ARGUMENT,
                "%s: %s is a scalar; expected rank 1 or more: it is normalised over the last axis", p.sign.op,
                p.sign.inputs[0]);
  }
  if (p.gated()) {
    if (pc_status status = check_like(p.sign, p.up(), in[p.up()], p.sign.inputs[0], in[0])) return status;
  }
  if (p.coefficients()) {
    if (pc_status status = check_weight(p.sign, p.weight(), in[p.weight()])) return status;
    if (pc_status status = check_bias(p.sign, p.bias(), in[p.bias()])) return status;
  }
  if (p.backward) {
    if (pc_status status = check_like(p.sign, p.dy(), in[p.dy()], p.sign.inputs[0], in[0])) return status;
  }
  return check_scalars(p, args->scalars);
}

int64_t workspace_size(const pass& p, pc_device device, int64_t rows, int64_t cols, int64_t order) {
  if (!p.backward || !p.coefficients()) return 0;
  const int64_t partials = device == PC_CPU ? cpu::coefficient_partials(rows, cols, p.rowwise())
                                            : cuda::coefficient_partials(rows, cols, p.rowwise());
  return partials * (order + 1) * int64_t(sizeof(double));
}

// Folds a tensor into one of the call's matrices, which all have the same rows and columns.
pc_status fold(const pass& p, const pc_args* args, int32_t tensor, matrix* folded, activation_call* call) {
  const pc_tensor& view = tensors(args)[tensor];
  if (pc_status status = as_matrix(p.sign, tensor, view, &call->rows, &call->cols, folded)) return status;
  call->contiguous = call->contiguous && (folded->stride == call->cols || call->rows == 1);
  return PC_OK;
}

pc_status fold_inputs(const pass& p, const pc_args* args, activation_call* call) {
  call->contiguous = true;
  if (pc_status status = fold(p, args, 0, &call->x, call)) return status;
  if (p.gated()) {
    if (pc_status status = fold(p, args, p.up(), &call->up, call)) return status;
  }
  return p.backward ? fold(p, args, p.dy(), &call->dy, call) : PC_OK;
}

pc_status fold_outputs(const pass& p, const pc_args* args, activation_call* call) {
  if (pc_status status = fold(p, args, p.sign.n_inputs, &call->out, call)) return status;
  return p.backward && p.gated() ? fold(p, args, p.sign.n_inputs + p.up(), &call->dup, call) : PC_OK;
}

pc_status plan(const pass& p, const pc_queue* queue, pc_args* args) {
  if (pc_status status = check_block(queue, args, p.sign, true)) return status;
  if (pc_status status = check_inputs(p, args)) return status;
  activation_call call{};
  if (pc_status status = fold_inputs(p, args, &call)) return status;
  pc_tensor* all = tensors(args);
  for (int32_t i = 0; i < p.sign.n_outputs; ++i) shape_like(&all[p.sign.n_inputs + i], all[i]);
  const int64_t order = p.coefficients() ? all[p.weight()].shape[0] : 0;
  args->workspace_size = workspace_size(p, queue->device, call.rows, call.cols, order);
  return PC_OK;
}

// y like x; each gradient like its input.
pc_status check_outputs(const pass& p, const pc_args* args) {
  const pc_tensor* in = tensors(args);
  const int32_t first = p.sign.n_inputs;
  for (int32_t i = 0; i < p.sign.n_outputs; ++i) {
    const pc_tensor& output = in[first + i];
    if (p.coefficients() && i == p.bias()) {
      if (pc_status status = check_bias(p.sign, first + i, output)) return status;
      continue;
    }
    if (p.coefficients() && i == p.weight()) {
      if (pc_status status = check_weight(p.sign, first + i, output)) return status;
    }
    if (pc_status status = check_like(p.sign, first + i, output, p.sign.inputs[i], in[i])) return status;
  }
  return PC_OK;
}

pc_status run(const pass& p, pc_queue* queue, const pc_args* args) {
  if (pc_status status = check_block(queue, args, p.sign, false)) return status;
  if (pc_status status = check_inputs(p, args)) return status;
  if (pc_status status = check_outputs(p, args)) return status;
  const pc_tensor* all = tensors(args);
  const pc_tensor* outputs = all + p.sign.n_inputs;
  activation_call call{};
  if (pc_status status = fold_inputs(p, args, &call)) return status;
  if (pc_status status = fold_outputs(p, args, &call)) return status;
  call.dtype = all[0].dtype;
  if (p.coefficients()) {
    call.weight = static_cast<const float*>(all[p.weight()].data);
    call.bias = static_cast<const float*>(all[p.bias()].data);
    call.order = int32_t(all[p.weight()].shape[0]);
  }
  if (p.rowwise()) {
    call.epsilon = float(args->scalars[0]);
    call.inverse_count = args->scalars[1] == 1 ? 1.0 : 1.0 / double(call.cols);
  }
  if (p.approximate()) call.approximate = args->scalars[0] == 1;
  if (p.backward && p.coefficients()) {
    call.dweight = static_cast<float*>(outputs[p.weight()].data);
    call.dbias = static_cast<float*>(outputs[p.bias()].data);
    const int64_t needed = workspace_size(p, queue->device, call.rows, call.cols, call.order);
    if (pc_status status = check_workspace(p.sign, args, needed)) return status;
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
