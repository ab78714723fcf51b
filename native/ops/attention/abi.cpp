// pc_attention_*: its blocks into calls.
#include <math.h>

#include <initializer_list>

#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

enum { Q, K, V, START, Y, LSE, DY };

// [batch, time, heads, width] with a contiguous last axis.
pc_status check_heads(const signature& sign, int32_t index, const pc_tensor& tensor) {
  const char* name = tensor_name(sign, index);
  if (tensor.rank != 4) {
    return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s; expected [batch, %s, heads, width]", sign.op, name,
                shape_text(tensor).text, index == K || index == V ? "keys" : "time");
  }
  if (tensor.shape[3] > 1 && tensor.strides[3] != 1) {
    return fail(PC_UNSUPPORTED, "%s: the last axis of %s has stride %lld; expected 1", sign.op, name,
                (long long)tensor.strides[3]);
  }
  return PC_OK;
}

heads_view view_of(const pc_tensor& tensor) {
  return {tensor.data, tensor.strides[0], tensor.strides[1], tensor.strides[2]};
}

// The workspace's size must not overflow either. It is below a KiB for each of these.
bool too_large(const attention_call& call) {
  return double(call.batch) * double(call.heads) * (double(call.time) + double(call.keys) + 256) *
             (double(call.width) + 16) >
         0x1p52;
}

pc_status read_sizes(const pass<attention_call>& p, const pc_tensor* in, attention_call* call) {
  const signature& sign = p.sign;
  for (const int32_t i : {Q, K, V}) {
    if (pc_status status = check_heads(sign, i, in[i])) return status;
  }
  if (in[K].dtype != in[Q].dtype) {
    return fail(PC_INVALID_ARGUMENT, "%s: k has dtype %d; expected that of q, %d", sign.op, in[K].dtype,
                in[Q].dtype);
  }
  call->dtype = in[Q].dtype;
  call->batch = in[Q].shape[0];
  call->time = in[Q].shape[1];
  call->heads = in[Q].shape[2];
  call->width = in[Q].shape[3];
  call->keys = in[K].shape[1];
  call->kv_heads = in[K].shape[2];
  if (pc_status status = check_size(sign, K, in[K], 0, call->batch)) return status;
  if (pc_status status = check_size(sign, K, in[K], 3, call->width)) return status;
  if (pc_status status = check_like(sign, V, in[V], "k", in[K])) return status;
  if (call->width == 0 || call->heads == 0 || call->kv_heads == 0 || call->heads % call->kv_heads != 0) {
    return fail(
        PC_INVALID_ARGUMENT,
        "%s: q has shape %s and k %s; expected heads of 1 element or more, those of q a multiple of those "
        "of k",
        sign.op, shape_text(in[Q]).text, shape_text(in[K]).text);
  }
  if (call->keys == 0 && call->time > 0) {
    return fail(PC_INVALID_ARGUMENT, "%s: k has shape %s: no key; expected 1 or more", sign.op,
                shape_text(in[K]).text);
  }
  if (too_large(*call)) {
    return fail(PC_UNSUPPORTED, "%s: q has shape %s and k %s: too large", sign.op, shape_text(in[Q]).text,
                shape_text(in[K]).text);
  }
  return PC_OK;
}

pc_status read_forward(const pass<attention_call>& p, const pc_args* args, attention_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = read_sizes(p, in, call)) return status;
  if (pc_status status = check_plain(p.sign, START, in[START], 1)) return status;
  if (pc_status status = check_size(p.sign, START, in[START], 0, call->batch)) return status;
  const double scale = args->scalars[0];
  call->scale = float(scale == 0 ? 1 / sqrt(double(call->width)) : scale);
  call->q = view_of(in[Q]);
  call->k = view_of(in[K]);
  call->v = view_of(in[V]);
  call->start = static_cast<const int32_t*>(in[START].data);
  return PC_OK;
}

void shape_forward(const pc_tensor* in, const attention_call& call, pc_tensor* out) {
  shape_like(&out[0], in[Q]);
  const int64_t sizes[] = {call.batch, call.heads, call.time};
  shape_of(&out[1], 3, sizes);
}

pc_status read_backward(const pass<attention_call>& p, const pc_args* args, attention_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = read_forward(p, args, call)) return status;
  for (const int32_t i : {Y, DY}) {
    if (pc_status status = check_heads(p.sign, i, in[i])) return status;
    if (pc_status status = check_like(p.sign, i, in[i], "q", in[Q])) return status;
  }
  if (pc_status status = check_plain(p.sign, LSE, in[LSE], 3)) return status;
  if (pc_status status = check_size(p.sign, LSE, in[LSE], 0, call->batch)) return status;
  if (pc_status status = check_size(p.sign, LSE, in[LSE], 1, call->heads)) return status;
  if (pc_status status = check_size(p.sign, LSE, in[LSE], 2, call->time)) return status;
  call->y = view_of(in[Y]);
  call->lse = static_cast<float*>(in[LSE].data);
  call->dy = view_of(in[DY]);
  return PC_OK;
}

void shape_backward(const pc_tensor* in, const attention_call&, pc_tensor* out) {
  for (const int32_t i : {Q, K, V}) shape_like(&out[i], in[i]);
}

void bind_forward(const pc_tensor* out, void* workspace, attention_call* call) {
  call->y = view_of(out[0]);
  call->lse = static_cast<float*>(out[1].data);
  call->workspace = workspace;
}

void bind_backward(const pc_tensor* out, void* workspace, attention_call* call) {
  call->dq = view_of(out[Q]);
  call->dk = view_of(out[K]);
  call->dv = view_of(out[V]);
  call->workspace = workspace;
}

}  // namespace

static constexpr pass<attention_call> attention_forward_pass = {
    {"attention_forward", {"q", "k", "v", i32("start")}, {"y", "lse"}, scalars::attention},
    read_forward,
    shape_forward,
    bind_forward,
    {cpu::attention_forward, cpu::attention_forward_workspace},
    {PC_CUDA(attention_forward), PC_CUDA(attention_forward_workspace)}};
static constexpr pass<attention_call> attention_backward_pass = {
    {"attention_backward",
     {"q", "k", "v", i32("start"), "y", "lse", "dy"},
     {"dq", "dk", "dv"},
     scalars::attention},
    read_backward,
    shape_backward,
    bind_backward,
    {cpu::attention_backward, cpu::attention_backward_workspace},
    {PC_CUDA(attention_backward), PC_CUDA(attention_backward_workspace)}};

}  // namespace polycom

PC_DEFINE_PASS(attention_forward)
PC_DEFINE_PASS(attention_backward)
