// pc_crossentropy_*: their blocks into calls.
#include "crossentropy.h"

#include "cpu/dispatch.h"
#include "fused_op.h"

namespace polycom {
namespace {

using pass = fused_pass<crossentropy_call>;

constexpr const char* forward_inputs[] = {"logits", "labels"};
constexpr const char* forward_outputs[] = {"loss", "lse"};
constexpr const char* backward_inputs[] = {"logits", "labels", "lse", "dloss"};
constexpr const char* backward_outputs[] = {"dlogits"};
constexpr uint64_t labels_bit = 1 << 1;
constexpr signature forward_signature = {
    "crossentropy_forward", forward_inputs, 2, forward_outputs, 2, 0, labels_bit};
constexpr signature backward_signature = {
    "crossentropy_backward", backward_inputs, 4, backward_outputs, 1, 0, labels_bit};

pc_status read_forward(const pass& p, const pc_args* args, crossentropy_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_plain(p.sign, 0, in[0], 2)) return status;
  if (pc_status status = check_plain(p.sign, 1, in[1], 1)) return status;
  call->rows = in[0].shape[0];
  call->cols = in[0].shape[1];
  if (call->cols == 0)
    return fail(PC_INVALID_ARGUMENT, "%s: logits has shape %s; expected a class or more on axis 1", p.sign.op,
                shape_text(in[0]).text);
  if (pc_status status = check_size(p.sign, 1, in[1], 0, call->rows)) return status;
  call->logits = static_cast<const float*>(in[0].data);
  call->labels = static_cast<const int32_t*>(in[1].data);
  return PC_OK;
}

pc_status read_backward(const pass& p, const pc_args* args, crossentropy_call* call) {
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

void bind_backward(const pc_tensor* out, void*, crossentropy_call* call) {
  call->dlogits = static_cast<float*>(out[0].data);
}

pc_status check_labels(const signature& sign, const crossentropy_call& call) {
  return check_integers(sign, 1, call.labels, call.rows, -1, call.cols);
}

pc_status forward_on_cpu(pc_queue& queue, const crossentropy_call& call) {
  if (pc_status status = check_labels(forward_signature, call)) return status;
  return cpu::crossentropy_forward(queue, call);
}

pc_status backward_on_cpu(pc_queue& queue, const crossentropy_call& call) {
  if (pc_status status = check_labels(backward_signature, call)) return status;
  return cpu::crossentropy_backward(queue, call);
}

}  // namespace

static constexpr pass crossentropy_forward_pass = {forward_signature,
                                                   read_forward,
                                                   shape_forward,
                                                   bind_forward,
                                                   nullptr,
                                                   forward_on_cpu,
                                                   PC_CUDA_OP(crossentropy_forward)};
static constexpr pass crossentropy_backward_pass = {backward_signature,
                                                    read_backward,
                                                    shape_backward,
                                                    bind_backward,
                                                    nullptr,
                                                    backward_on_cpu,
                                                    PC_CUDA_OP(crossentropy_backward)};

}  // namespace polycom

PC_DEFINE_FUSED_PASS(crossentropy_forward)
PC_DEFINE_FUSED_PASS(crossentropy_backward)
