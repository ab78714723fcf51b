// pc_crossentropy_*: their blocks into calls.
#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

pc_status read_forward(const pass<crossentropy_call>& p, const pc_args* args, crossentropy_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_stored(p.sign, 0, in[0], 2)) return status;
  if (pc_status status = check_plain(p.sign, 1, in[1], 1)) return status;
  call->dtype = in[0].dtype;
  call->rows = in[0].shape[0];
  call->cols = in[0].shape[1];
  if (call->cols == 0)
    return fail(PC_INVALID_ARGUMENT, "%s: logits has shape %s; expected a class or more on axis 1", p.sign.op,
                shape_text(in[0]).text);
  if (pc_status status = check_size(p.sign, 1, in[1], 0, call->rows)) return status;
  call->logits = in[0].data;
  call->labels = static_cast<const int32_t*>(in[1].data);
  return PC_OK;
}

pc_status read_backward(const pass<crossentropy_call>& p, const pc_args* args, crossentropy_call* call) {
  if (pc_status status = read_forward(p, args, call)) return status;
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_plain(p.sign, 2, in[2], 2)) return status;
  if (pc_status status = check_size(p.sign, 2, in[2], 0, call->rows)) return status;
  if (pc_status status = check_size(p.sign, 2, in[2], 1, 2)) return status;
  if (pc_status status = check_plain(p.sign, 3, in[3], 1)) return status;
  if (pc_status status = check_size(p.sign, 3, in[3], 0, call->rows)) return status;
  call->lse = static_cast<const float*>(in[2].data);
  call->dloss = static_cast<const float*>(in[3].data);
  return PC_OK;
}

void shape_forward(const pc_tensor*, const crossentropy_call& call, pc_tensor* out) {
  const int64_t sizes[] = {call.rows, 2};
  shape_of(&out[0], 1, sizes);
  shape_of(&out[1], 2, sizes);
}

void shape_backward(const pc_tensor* in, const crossentropy_call&, pc_tensor* out) {
  shape_like(&out[0], in[0]);
}

void bind_forward(const pc_tensor* out, void*, crossentropy_call* call) {
  call->loss = static_cast<float*>(out[0].data);
  call->lse_out = static_cast<float*>(out[1].data);
}

void bind_backward(const pc_tensor* out, void*, crossentropy_call* call) { call->dlogits = out[0].data; }

pc_status check_labels(const signature& sign, const crossentropy_call& call) {
  return check_integers(sign, 1, call.labels, call.rows, -1, call.cols);
}

}  // namespace

static constexpr pass<crossentropy_call> crossentropy_forward_pass = {
    {"crossentropy_forward", {"logits", i32("labels")}, {"loss", "lse"}},
    read_forward,
    shape_forward,
    bind_forward,
    {cpu::crossentropy_forward, nullptr, check_labels},
    {PC_CUDA(crossentropy_forward)}};
static constexpr pass<crossentropy_call> crossentropy_backward_pass = {
    {"crossentropy_backward", {"logits", i32("labels"), "lse", "dloss"}, {"dlogits"}},
    read_backward,
    shape_backward,
    bind_backward,
    {cpu::crossentropy_backward, nullptr, check_labels},
    {PC_CUDA(crossentropy_backward)}};

}  // namespace polycom

PC_DEFINE_PASS(crossentropy_forward)
PC_DEFINE_PASS(crossentropy_backward)
