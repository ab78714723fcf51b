// pc_rotary_*: their blocks into calls.
#include "rotary.h"

#include "cpu/dispatch.h"
#include "fused_op.h"

namespace polycom {
namespace {

using pass = fused_pass<rotary_call>;

constexpr const char* forward_inputs[] = {"x", "table", "start"};
constexpr const char* forward_outputs[] = {"y"};
constexpr const char* backward_inputs[] = {"table", "start", "dy"};
constexpr const char* backward_outputs[] = {"dx"};
constexpr signature forward_signature = {"rotary_forward", forward_inputs, 3, forward_outputs, 1, 0, 1 << 2};
constexpr signature backward_signature = {
    "rotary_backward", backward_inputs, 3, backward_outputs, 1, 0, 1 << 1};

pc_status read(const pass& p, const pc_args* args, int32_t x, int32_t table, int32_t start,
               rotary_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_plain(p.sign, x, in[x], 4)) return status;
  if (pc_status status = check_plain(p.sign, table, in[table], 2)) return status;
  if (pc_status status = check_plain(p.sign, start, in[start], 1)) return status;
  call->batch = in[x].shape[0];
  call->time = in[x].shape[1];
  call->heads = in[x].shape[2];
  call->width = in[x].shape[3];
  call->positions = in[table].shape[0];
  if (call->width % 2 != 0)
    return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s; expected an even size on axis 3", p.sign.op,
                p.sign.inputs[x], shape_text(in[x]).text);
  if (pc_status status = check_size(p.sign, table, in[table], 1, call->width)) return status;
  if (pc_status status = check_size(p.sign, start, in[start], 0, call->batch)) return status;
  if (call->time > call->positions)
    return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s; expected at most the table's %lld on axis 1",
                p.sign.op, p.sign.inputs[x], shape_text(in[x]).text, (long long)call->positions);
  call->x = static_cast<const float*>(in[x].data);
  call->table = static_cast<const float*>(in[table].data);
  call->start = static_cast<const int32_t*>(in[start].data);
  return PC_OK;
}

pc_status read_forward(const pass& p, const pc_args* args, rotary_call* call) {
  return read(p, args, 0, 1, 2, call);
}

pc_status read_backward(const pass& p, const pc_args* args, rotary_call* call) {
  return read(p, args, 2, 0, 1, call);
}

void shape_forward(const pc_tensor* in, const rotary_call&, pc_tensor* out) { shape_like(&out[0], in[0]); }
void shape_backward(const pc_tensor* in, const rotary_call&, pc_tensor* out) { shape_like(&out[0], in[2]); }

void bind(const pc_tensor* out, void*, rotary_call* call) { call->y = static_cast<float*>(out[0].data); }

// A start whose last position lies in the table.
pc_status check_start(const signature& sign, int32_t index, const rotary_call& call) {
  return check_integers(sign, index, call.start, call.batch, 0, call.positions - call.time + 1);
}

pc_status forward_on_cpu(pc_queue& queue, const rotary_call& call) {
  if (pc_status status = check_start(forward_signature, 2, call)) return status;
  return cpu::rotary_forward(queue, call);
}

pc_status backward_on_cpu(pc_queue& queue, const rotary_call& call) {
  if (pc_status status = check_start(backward_signature, 1, call)) return status;
  return cpu::rotary_backward(queue, call);
}

}  // namespace

static constexpr pass rotary_forward_pass = {
    forward_signature,         read_forward, shape_forward, bind, nullptr, forward_on_cpu,
    PC_CUDA_OP(rotary_forward)};
static constexpr pass rotary_backward_pass = {
    backward_signature,         read_backward, shape_backward, bind, nullptr, backward_on_cpu,
    PC_CUDA_OP(rotary_backward)};

}  // namespace polycom

PC_DEFINE_FUSED_PASS(rotary_forward)
PC_DEFINE_FUSED_PASS(rotary_backward)
