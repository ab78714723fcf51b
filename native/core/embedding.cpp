// pc_embedding_*: their blocks into calls.
#include "embedding.h"

#include "cpu/dispatch.h"
#include "fused_op.h"

namespace polycom {
namespace {

using pass = fused_pass<embedding_call>;

constexpr const char* forward_inputs[] = {"table", "ids"};
constexpr const char* forward_outputs[] = {"y"};
constexpr const char* backward_inputs[] = {"table", "ids", "dy"};
constexpr const char* backward_outputs[] = {"dtable"};
constexpr uint64_t ids_bit = 1 << 1;
constexpr signature forward_signature = {
    "embedding_forward", forward_inputs, 2, forward_outputs, 1, 0, ids_bit};
constexpr signature backward_signature = {
    "embedding_backward", backward_inputs, 3, backward_outputs, 1, 0, ids_bit};

// Rows and ids are counted in int32 by the backward pass's workspace.
pc_status check_count(const pass& p, int32_t index, int64_t count) {
  if (count <= INT32_MAX) return PC_OK;
  return fail(PC_UNSUPPORTED, "%s: %s has %lld rows; expected at most %d", p.sign.op, p.sign.inputs[index],
              (long long)count, INT32_MAX);
}

pc_status read_forward(const pass& p, const pc_args* args, embedding_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_plain(p.sign, 0, in[0], 2)) return status;
  if (pc_status status = check_plain(p.sign, 1, in[1], 1)) return status;
  call->rows = in[0].shape[0];
  call->cols = in[0].shape[1];
  call->count = in[1].shape[0];
  if (pc_status status = check_count(p, 0, call->rows)) return status;
  if (pc_status status = check_count(p, 1, call->count)) return status;
  call->table = static_cast<const float*>(in[0].data);
  call->ids = static_cast<const int32_t*>(in[1].data);
  return check_product(p.sign, p.sign.n_inputs, call->count, call->cols);
}

pc_status read_backward(const pass& p, const pc_args* args, embedding_call* call) {
  if (pc_status status = read_forward(p, args, call)) return status;
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_plain(p.sign, 2, in[2], 2)) return status;
  if (pc_status status = check_size(p.sign, 2, in[2], 0, call->count)) return status;
  if (pc_status status = check_size(p.sign, 2, in[2], 1, call->cols)) return status;
  call->dy = static_cast<const float*>(in[2].data);
  return PC_OK;
}

void shape_forward(const pc_tensor*, const embedding_call& call, pc_tensor* out) {
  const int64_t sizes[] = {call.count, call.cols};
  shape_of(&out[0], 2, sizes);
}

void shape_backward(const pc_tensor* in, const embedding_call&, pc_tensor* out) {
  shape_like(&out[0], in[0]);
}

void bind_forward(const pc_tensor* out, void*, embedding_call* call) {
  call->y = static_cast<float*>(out[0].data);
}

void bind_backward(const pc_tensor* out, void* workspace, embedding_call* call) {
  call->dtable = static_cast<float*>(out[0].data);
  call->workspace = static_cast<int32_t*>(workspace);
}

int64_t workspace(pc_device device, const embedding_call& call) {
  return device == PC_CPU ? (call.rows + call.count) * int64_t(sizeof(int32_t)) : 0;
}

pc_status forward_on_cpu(pc_queue& queue, const embedding_call& call) {
  if (pc_status status = check_integers(forward_signature, 1, call.ids, call.count, 0, call.rows))
    return status;
  return cpu::embedding_forward(queue, call);
}

pc_status backward_on_cpu(pc_queue& queue, const embedding_call& call) {
  if (pc_status status = check_integers(backward_signature, 1, call.ids, call.count, 0, call.rows))
    return status;
  return cpu::embedding_backward(queue, call);
}

}  // namespace

static constexpr pass embedding_forward_pass = {forward_signature,
                                                read_forward,
                                                shape_forward,
                                                bind_forward,
                                                nullptr,
                                                forward_on_cpu,
                                                PC_CUDA_OP(embedding_forward)};
static constexpr pass embedding_backward_pass = {backward_signature,
                                                 read_backward,
                                                 shape_backward,
                                                 bind_backward,
                                                 workspace,
                                                 backward_on_cpu,
                                                 PC_CUDA_OP(embedding_backward)};

}  // namespace polycom

PC_DEFINE_FUSED_PASS(embedding_forward)
PC_DEFINE_FUSED_PASS(embedding_backward)
