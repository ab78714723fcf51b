// pc_rotary_*: their blocks into calls.
#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

pc_status read(const pass<rotary_call>& p, const pc_args* args, int32_t x, int32_t table, int32_t start,
               rotary_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_stored(p.sign, x, in[x], 4)) return status;
  if (pc_status status = check_plain(p.sign, table, in[table], 2)) return status;
  if (pc_status status = check_plain(p.sign, start, in[start], 1)) return status;
  call->dtype = in[x].dtype;
  call->batch = in[x].shape[0];
  call->time = in[x].shape[1];
  call->heads = in[x].shape[2];
  call->width = in[x].shape[3];
  call->positions = in[table].shape[0];
  if (call->width % 2 != 0)
    return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s; expected an even size on axis 3", p.sign.op,
                tensor_name(p.sign, x), shape_text(in[x]).text);
  if (pc_status status = check_size(p.sign, table, in[table], 1, call->width)) return status;
  if (pc_status status = check_size(p.sign, start, in[start], 0, call->batch)) return status;
  if (call->time > call->positions)
    return fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s; expected at most the table's %lld on axis 1",
                p.sign.op, tensor_name(p.sign, x), shape_text(in[x]).text, (long long)call->positions);
  call->x = in[x].data;
  call->table = static_cast<const float*>(in[table].data);
  call->start = static_cast<const int32_t*>(in[start].data);
  return PC_OK;
}

pc_status read_forward(const pass<rotary_call>& p, const pc_args* args, rotary_call* call) {
  return read(p, args, 0, 1, 2, call);
}

pc_status read_backward(const pass<rotary_call>& p, const pc_args* args, rotary_call* call) {
  return read(p, args, 2, 0, 1, call);
}

void shape_forward(const pc_tensor* in, const rotary_call&, pc_tensor* out) { shape_like(&out[0], in[0]); }
void shape_backward(const pc_tensor* in, const rotary_call&, pc_tensor* out) { shape_like(&out[0], in[2]); }

void bind(const pc_tensor* out, void*, rotary_call* call) { call->y = out[0].data; }

// A start whose last position lies in the table.
pc_status check_start(const signature& sign, const rotary_call& call) {
  const int32_t index = sign.tensor(1).integers ? 1 : 2;
  return check_integers(sign, index, call.start, call.batch, 0, call.positions - call.time + 1);
}

}  // namespace

static constexpr pass<rotary_call> rotary_forward_pass = {
    {"rotary_forward", {"x", "table", i32("start")}, {"y"}},
    read_forward,
    shape_forward,
    bind,
    {cpu::rotary_forward, nullptr, check_start},
    {PC_CUDA(rotary_forward)}};
static constexpr pass<rotary_call> rotary_backward_pass = {
    {"rotary_backward", {"table", i32("start"), "dy"}, {"dx"}},
    read_backward,
    shape_backward,
    bind,
    {cpu::rotary_backward, nullptr, check_start},
    {PC_CUDA(rotary_backward)}};

}  // namespace polycom

PC_DEFINE_PASS(rotary_forward)
PC_DEFINE_PASS(rotary_backward)
