// pc_rmsnorm_* and pc_addrmsnorm_*: their blocks into calls.
#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

// Input 0 gives the rows; `weight` stands at its index; the others are like input 0.
pc_status read_rows(const pass<rmsnorm_call>& p, const pc_args* args, int32_t weight, rmsnorm_call* call) {
  const pc_tensor* in = tensors(args);
  if (in[0].rank == 0) {
    return fail(PC_INVALID_ARGUMENT,
                "%s: %s is a scalar; expected rank 1 or more: it is normalised over the "
                "last axis",
                p.sign.op, tensor_name(p.sign, 0));
  }
  for (int32_t i = 0; i < p.sign.n_inputs(); ++i) {
    if (i == weight) {
      if (pc_status status = check_plain(p.sign, i, in[i], 1)) return status;
      continue;
    }
    if (pc_status status = check_like(p.sign, i, in[i], tensor_name(p.sign, 0), in[0])) return status;
    if (pc_status status = check_contiguous(p.sign, i, in[i])) return status;
  }
  call->dtype = in[0].dtype;
  call->cols = in[0].shape[in[0].rank - 1];
  if (pc_status status = check_size(p.sign, weight, in[weight], 0, call->cols)) return status;
  call->rows = 1;
  for (int32_t i = 0; i + 1 < in[0].rank; ++i) call->rows *= in[0].shape[i];
  call->epsilon = float(args->scalars[0]);
  call->x = in[0].data;
  call->weight = static_cast<const float*>(in[weight].data);
  return PC_OK;
}

pc_status read_forward(const pass<rmsnorm_call>& p, const pc_args* args, rmsnorm_call* call) {
  return read_rows(p, args, 1, call);
}

pc_status read_add_forward(const pass<rmsnorm_call>& p, const pc_args* args, rmsnorm_call* call) {
  call->residual = tensors(args)[1].data;
  return read_rows(p, args, 2, call);
}

pc_status read_backward(const pass<rmsnorm_call>& p, const pc_args* args, rmsnorm_call* call) {
  const pc_tensor* in = tensors(args);
  call->dy = in[2].data;
  if (p.sign.n_inputs() > 3) call->dsum = in[3].data;
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

void bind_forward(const pc_tensor* out, void*, rmsnorm_call* call) { call->y = out[0].data; }

void bind_add_forward(const pc_tensor* out, void*, rmsnorm_call* call) {
  call->y = out[0].data;
  call->sum = out[1].data;
}

void bind_backward(const pc_tensor* out, void* workspace, rmsnorm_call* call) {
  call->dx = out[0].data;
  call->dweight = static_cast<float*>(out[1].data);
  call->workspace = static_cast<double*>(workspace);
}

}  // namespace

static constexpr pass<rmsnorm_call> rmsnorm_forward_pass = {
    {"rmsnorm_forward", {"x", "weight"}, {"y"}, scalars::rmsnorm},
    read_forward,
    shape_forward,
    bind_forward,
    {cpu::rmsnorm_forward},
    {PC_CUDA(rmsnorm_forward)}};
static constexpr pass<rmsnorm_call> rmsnorm_backward_pass = {
    {"rmsnorm_backward", {"x", "weight", "dy"}, {"dx", "dweight"}, scalars::rmsnorm},
    read_backward,
    shape_backward,
    bind_backward,
    {cpu::rmsnorm_backward, cpu::rmsnorm_workspace},
    {PC_CUDA(rmsnorm_backward), PC_CUDA(rmsnorm_workspace)}};
static constexpr pass<rmsnorm_call> addrmsnorm_forward_pass = {
    {"addrmsnorm_forward", {"x", "residual", "weight"}, {"y", "sum"}, scalars::addrmsnorm},
    read_add_forward,
    shape_add_forward,
    bind_add_forward,
    {cpu::addrmsnorm_forward},
    {PC_CUDA(rmsnorm_forward)}};
static constexpr pass<rmsnorm_call> addrmsnorm_backward_pass = {
    {"addrmsnorm_backward", {"sum", "weight", "dy", "dsum"}, {"dx", "dweight"}, scalars::addrmsnorm},
    read_backward,
    shape_backward,
    bind_backward,
    {cpu::addrmsnorm_backward, cpu::rmsnorm_workspace},
    {PC_CUDA(rmsnorm_backward), PC_CUDA(rmsnorm_workspace)}};

}  // namespace polycom

PC_DEFINE_PASS(rmsnorm_forward)
PC_DEFINE_PASS(rmsnorm_backward)
PC_DEFINE_PASS(addrmsnorm_forward)
PC_DEFINE_PASS(addrmsnorm_backward)
