// Every activation's C functions: check the block by the activation's line in polycom.h, fold it into a call,
// hand it to the device's kernel.
#include "activation.h"

#include "runtime/arguments.h"
#include "runtime/kernels.h"

namespace polycom {
namespace {

struct parameter {
  const char *name, *gradient;
  int32_t shape;  // PC_ONE or PC_ORDER
};

// A line of polycom.h. A call's tensors are x, or gate and up, then the parameters, then dy; an input's
// gradient stands where the input does.
struct activation {
  int32_t form;
  list_of<parameter, max_parameters> parameters;
  scalar_list scalars;

  constexpr bool gated() const { return form & PC_GATED; }
  constexpr bool rowwise() const { return form & PC_ROWWISE; }
  constexpr int32_t up() const { return 1; }
  constexpr int32_t first_parameter() const { return gated() ? 2 : 1; }
  // The parameter that a tensor is, or that its gradient is; or null.
  constexpr const parameter* parameter_at(int32_t tensor) const {
    const int32_t i = tensor - first_parameter();
    return i >= 0 && i < parameters.count ? &parameters[i] : nullptr;
  }
};

struct pass {
  activation of;
  signature sign;
  bool backward;
  activation_kernel cpu, cuda;

  constexpr int32_t dy() const { return sign.n_inputs() - 1; }
};

constexpr pass make_pass(const activation& of, const char* op, bool backward, activation_kernel cpu,
                         activation_kernel cuda) {
  tensor_list inputs, gradients;
  for (const char* name : {of.gated() ? "gate" : "x", "up"}) {
    if (inputs.count < of.first_parameter()) inputs.add(name);
  }
  for (const char* name : {of.gated() ? "dgate" : "dx", "dup"}) {
    if (gradients.count < of.first_parameter()) gradients.add(name);
  }
  for (int32_t i = 0; i < of.parameters.count; ++i) {
    inputs.add(of.parameters[i].name);
    gradients.add(of.parameters[i].gradient);
  }
  if (backward) inputs.add("dy");
  return {of, {op, inputs, backward ? gradients : tensor_list{"y"}, of.scalars}, backward, cpu, cuda};
}

// A parameter, or its gradient.
pc_status check_parameter(const pass& p, const parameter& rule, int32_t index, const pc_tensor& tensor) {
  return rule.shape == PC_ONE ? check_one(p.sign, index, tensor) : check_weight(p.sign, index, tensor);
}

// `order` receives that of the parameters, or 0.
pc_status check_inputs(const pass& p, const pc_args* args, int64_t* order) {
  *order = 0;
  const pc_tensor* in = tensors(args);
  const activation& of = p.of;
  if (of.rowwise() && in[0].rank == 0) {
    return fail(PC_INVALID_ARGUMENT,
                "%s: %s is a scalar; expected rank 1 or more: it is normalised over the last axis", p.sign.op,
                tensor_name(p.sign, 0));
  }
  for (int32_t i = 1; i < p.sign.n_inputs(); ++i) {
    const parameter* rule = of.parameter_at(i);
    if (rule == nullptr) {
      if (pc_status status = check_like(p.sign, i, in[i], tensor_name(p.sign, 0), in[0])) return status;
      continue;
    }
    if (pc_status status = check_parameter(p, *rule, i, in[i])) return status;
    if (rule->shape == PC_ONE) continue;
    if (*order != 0) {
      if (pc_status status = check_size(p.sign, i, in[i], 0, *order)) return status;
    }
    *order = in[i].shape[0];
  }
  return PC_OK;
}

// y like x; each gradient like its input.
pc_status check_outputs(const pass& p, const pc_args* args) {
  const pc_tensor* in = tensors(args);
  const int32_t first = p.sign.n_inputs();
  for (int32_t i = 0; i < p.sign.n_outputs(); ++i) {
    const pc_tensor& output = in[first + i];
    if (const parameter* rule = p.of.parameter_at(i)) {
      if (pc_status status = check_parameter(p, *rule, first + i, output)) return status;
      if (rule->shape == PC_ONE) continue;
    }
    if (pc_status status = check_like(p.sign, first + i, output, tensor_name(p.sign, i), in[i]))
      return status;
  }
  return PC_OK;
}

constexpr int64_t elements(const parameter& p, int64_t order) { return p.shape == PC_ORDER ? order : 1; }

// The workspace: partial sums, and on CUDA a ticket behind them.
constexpr int64_t ticket_bytes = 16;

int64_t partials_size(const pass& p, pc_device device, int64_t rows, int64_t cols, int64_t order) {
  if (!p.backward) return 0;
  int64_t sums = 0;
  for (int32_t i = 0; i < p.of.parameters.count; ++i) sums += elements(p.of.parameters[i], order);
  if (sums == 0) return 0;
  const bool rowwise = p.of.rowwise();
  const int64_t partials =
      device == PC_CPU ? cpu::partial_sums(rows, cols, rowwise) : cuda::partial_sums(rows, cols, rowwise);
  return partials * sums * int64_t(sizeof(double));
}

int64_t workspace_size(pc_device device, int64_t partials) {
  return partials == 0 || device == PC_CPU ? partials : partials + ticket_bytes;
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
  if (p.of.gated()) {
    if (pc_status status = fold(p, args, p.of.up(), &call->up, call)) return status;
  }
  return p.backward ? fold(p, args, p.dy(), &call->dy, call) : PC_OK;
}

pc_status fold_outputs(const pass& p, const pc_args* args, activation_call* call) {
  if (pc_status status = fold(p, args, p.sign.n_inputs(), &call->out, call)) return status;
  return p.backward && p.of.gated() ? fold(p, args, p.sign.n_inputs() + p.of.up(), &call->dup, call) : PC_OK;
}

pc_status plan(const pass& p, const pc_queue* queue, pc_args* args) {
  int64_t order;
  if (pc_status status = check_block(queue, args, p.sign, true)) return status;
  if (pc_status status = check_inputs(p, args, &order)) return status;
  activation_call call{};
  if (pc_status status = fold_inputs(p, args, &call)) return status;
  pc_tensor* all = tensors(args);
  for (int32_t i = 0; i < p.sign.n_outputs(); ++i) shape_like(&all[p.sign.n_inputs() + i], all[i]);
  args->workspace_size =
      workspace_size(queue->device, partials_size(p, queue->device, call.rows, call.cols, order));
  return PC_OK;
}

void take_parameters(const pass& p, const pc_args* args, int64_t order, activation_call* call) {
  const pc_tensor *all = tensors(args), *outputs = all + p.sign.n_inputs();
  call->inputs.order = int32_t(order);
  for (int32_t i = 0; i < p.of.parameters.count; ++i) {
    const int32_t tensor = p.of.first_parameter() + i;
    call->inputs.parameters[i] = static_cast<const float*>(all[tensor].data);
    call->sizes[i] = elements(p.of.parameters[i], order);
    if (p.backward) call->gradients[i] = static_cast<float*>(outputs[tensor].data);
  }
  for (int32_t i = 0; i < p.of.scalars.count; ++i) call->inputs.scalars[i] = args->scalars[i];
}

pc_status run(const pass& p, pc_queue* queue, const pc_args* args) {
  int64_t order;
  if (pc_status status = check_block(queue, args, p.sign, false)) return status;
  if (pc_status status = check_inputs(p, args, &order)) return status;
  if (pc_status status = check_outputs(p, args)) return status;
  activation_call call{};
  if (pc_status status = fold_inputs(p, args, &call)) return status;
  if (pc_status status = fold_outputs(p, args, &call)) return status;
  call.dtype = tensors(args)[0].dtype;
  take_parameters(p, args, order, &call);
  const int64_t partials = partials_size(p, queue->device, call.rows, call.cols, order);
  if (pc_status status = check_workspace(p.sign, args, workspace_size(queue->device, partials)))
    return status;
  call.partials = static_cast<double*>(args->workspace);
  if (queue->device == PC_CUDA && partials > 0) {
    call.ticket = reinterpret_cast<unsigned*>(static_cast<char*>(args->workspace) + partials);
  }
  const activation_kernel kernel = queue->device == PC_CPU ? p.cpu : p.cuda;
  if (kernel == nullptr) return fail(PC_NO_DEVICE, "%s: this library was built without CUDA", p.sign.op);
  return kernel(*queue, call);
}

}  // namespace
}  // namespace polycom

using namespace polycom;

// clang-format off
#define PC_PARAMETER(name, shape) {#name, "d" #name, shape},

#define PC_DEFINE_PASS(name, direction, backward) \
  static constexpr pass name##_##direction##_pass = \
      make_pass(name##_line, #name "_" #direction, backward, cpu::name##_##direction, \
                PC_CUDA(name##_##direction)); \
  pc_status pc_##name##_##direction(pc_queue* queue, const pc_args* args) { \
    return run(name##_##direction##_pass, queue, args); \
  } \
  pc_status pc_##name##_##direction##_plan(const pc_queue* queue, pc_args* args) { \
    return plan(name##_##direction##_pass, queue, args); \
  }

#define PC_DEFINE(name, form, parameters, scalars) \
  static constexpr activation name##_line = {form, {parameters}, {scalars}}; \
  PC_DEFINE_PASS(name, forward, false) \
  PC_DEFINE_PASS(name, backward, true)
PC_ACTIVATIONS(PC_DEFINE)
// clang-format on
