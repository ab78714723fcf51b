// pc_rmsnorm_* and pc_addrmsnorm_*: their blocks into calls.
#include "rmsnorm.h"

#include "cpu/dispatch.h"
#include "cpu/partition.h"
#include "fused_op.h"

namespace polycom {
namespace {

using pass = fused_pass<rmsnorm_call>;

constexpr const char* forward_inputs[] = {"x", "weight"};
constexpr const char* forward_outputs[] = {"y"};
constexpr const char* backward_inputs[] = {"x", "weight", "dy"};
constexpr const char* backward_outputs[] = {"dx", "dweight"};
constexpr const char* add_forward_inputs[] = {"x", "residual", "weight"};
constexpr const char* add_forward_outputs[] = {"y", "sum"};
constexpr const char* add_backward_inputs[] = {"sum", "weight", "dy", "dsum"};

const float* floats(const pc_tensor& tensor) { return static_cast<const float*>(tensor.data); }

// Input 0 gives the rows; `weight` stands at its index; the others are like input 0.
pc_status read_rows(const pass& p, const pc_args* args, int32_t weight, rmsnorm_call* call) {
  const pc_tensor* in = tensors(args);
  if (in[0].rank == 0) {
    return fail(PC_INVALID_ARGUMENT,
                "%s: %s is a scalar; expected rank 1 or more: it is normalised over the "
                "last axis",
                p.sign.op, p.sign.inputs[0]);
  }
  for (int32_t i = 0; i < p.sign.n_inputs; ++i) {
    if (pc_status status = check_plain(p.sign, i, in[i], i == weight ? 1 : in[0].rank)) return status;
    if (i == 0 || i == weight) continue;
    if (pc_status status = check_like(p.sign, i, in[i], p.sign.inputs[0], in[0])) return status;
  }
  call->cols = in[0].shape[in[0].rank - 1];
  if (pc_status status = check_size(p.sign, weight, in[weight], 0, call->cols)) return status;
  if (pc_status status = check_epsilon(p.sign, args->scalars[0])) return status;
  call->rows = 1;
  for (int32_t i = 0; i + 1 < in[0].rank; ++i) call->rows *= in[0].shape[i];
  call->epsilon = float(args->scalars[0]);
  call->x = floats(in[0]);
  call->weight = floats(in[weight]);
  return PC_OK;
}

pc_status read_forward(const pass& p, const pc_args* args, rmsnorm_call* call) {
  return read_rows(p, args, 1, call);
}

pc_status read_add_forward(const pass& p, const pc_args* args, rmsnorm_call* call) {
  call->residual = floats(tensors(args)[1]);
  return read_rows(p, args, 2, call);
}

pc_status read_backward(const pass& p, const pc_args* args, rmsnorm_call* call) {
  const pc_tensor* in = tensors(args);
  call->dy = floats(in[2]);
  if (p.sign.n_inputs > 3) call->dsum = floats(in[3]);
  return read_rows(p, args, 1, call);
}

void shape_forward(const pc_tensor* in, const rmsnorm_call&, pc_tensor* out) { shape_like(&out[0], in[0]); }

void shape_add_forward(const pc_tensor* in, const rmsnorm_call&, pc_tensor* out) {
  shape_like(&out[0], in[0]);
  shape_like(&out[1], in[0]);
}

void shape_backward(const pc_tensor* in, const rmsnorm_call&, pc_tensor* out) {
  shape_like(&out[0], in[0]);
  shape_like(&out[1], in[1]);
}

void bind_forward(const pc_tensor* out, void*, rmsnorm_call* call) {
  call->y = static_cast<float*>(out[0].data);
}

void bind_add_forward(const pc_tensor* out, void*, rmsnorm_call* call) {
  call->y = static_cast<float*>(out[0].data);
  call->sum = static_cast<float*>(out[1].data);
}

void bind_backward(const pc_tensor* out, void* workspace, rmsnorm_call* call) {
  call->dx = static_cast<float*>(out[0].data);
  call->dweight = static_cast<float*>(out[1].data);
  call->workspace = static_cast<double*>(workspace);
}

// CPU: a row of sums for each chunk. CUDA: each row's scale.
int64_t workspace(pc_device device, const rmsnorm_call& call) {
  const int64_t doubles =
      device == PC_CPU ? cpu::cut_rows(call.rows, call.cols).count * cpu::padded_cols(call.cols) : call.rows;
  return doubles * int64_t(sizeof(double));
}

}  // namespace

static constexpr pass rmsnorm_forward_pass = {{"rmsnorm_forward", forward_inputs, 2, forward_outputs, 1, 1},
                                              read_forward,
                                              shape_forward,
                                              bind_forward,
                                              nullptr,
                                              cpu::rmsnorm_forward,
                                              PC_CUDA_OP(rmsnorm_forward)};
static constexpr pass rmsnorm_backward_pass = {
    {"rmsnorm_backward", backward_inputs, 3, backward_outputs, 2, 1},
    read_backward,
    shape_backward,
    bind_backward,
    workspace,
    cpu::rmsnorm_backward,
    PC_CUDA_OP(rmsnorm_backward)};
static constexpr pass addrmsnorm_forward_pass = {
    {"addrmsnorm_forward", add_forward_inputs, 3, add_forward_outputs, 2, 1},
    read_add_forward,
    shape_add_forward,
    bind_add_forward,
    nullptr,
    cpu::addrmsnorm_forward,
    PC_CUDA_OP(rmsnorm_forward)};
static constexpr pass addrmsnorm_backward_pass = {
    {"addrmsnorm_backward", add_backward_inputs, 4, backward_outputs, 2, 1},
    read_backward,
    shape_backward,
    bind_backward,
    workspace,
    cpu::addrmsnorm_backward,
    PC_CUDA_OP(rmsnorm_backward)};

}  // namespace polycom

PC_DEFINE_FUSED_PASS(rmsnorm_forward)
PC_DEFINE_FUSED_PASS(rmsnorm_backward)
PC_DEFINE_FUSED_PASS(addrmsnorm_forward)
PC_DEFINE_FUSED_PASS(addrmsnorm_backward)
