// pc_dropout_*: their blocks into calls.
#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

pc_status read(const pass<dropout_call>& p, const pc_args* args, int32_t x, int32_t seed,
               dropout_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_contiguous(p.sign, x, in[x])) return status;
  if (pc_status status = check_plain(p.sign, seed, in[seed], 1)) return status;
  if (pc_status status = check_size(p.sign, seed, in[seed], 0, 2)) return status;
  // As float, which is what some hosts hand over: the mask must be the same on all.
  const double rate = double(float(args->scalars[0]));
  call->dtype = in[x].dtype;
  call->count = element_count(in[x]);
  call->threshold = uint32_t(rate * 4294967296.0);
  call->scale = float(1.0 / (1.0 - rate));
  call->x = in[x].data;
  call->seed = static_cast<const int32_t*>(in[seed].data);
  return PC_OK;
}

pc_status read_forward(const pass<dropout_call>& p, const pc_args* args, dropout_call* call) {
  return read(p, args, 0, 1, call);
}

pc_status read_backward(const pass<dropout_call>& p, const pc_args* args, dropout_call* call) {
  return read(p, args, 1, 0, call);
}

void shape_forward(const pc_tensor* in, const dropout_call&, pc_tensor* out) { shape_like(&out[0], in[0]); }
void shape_backward(const pc_tensor* in, const dropout_call&, pc_tensor* out) { shape_like(&out[0], in[1]); }

void bind(const pc_tensor* out, void*, dropout_call* call) { call->y = out[0].data; }

}  // namespace

static constexpr pass<dropout_call> dropout_forward_pass = {
    {"dropout_forward", {"x", i32("seed")}, {"y"}, scalars::dropout},
    read_forward,
    shape_forward,
    bind,
    {cpu::dropout_forward},
    {PC_CUDA(dropout_forward)}};
static constexpr pass<dropout_call> dropout_backward_pass = {
    {"dropout_backward", {i32("seed"), "dy"}, {"dx"}, scalars::dropout},
    read_backward,
    shape_backward,
    bind,
    {cpu::dropout_backward},
    {PC_CUDA(dropout_backward)}};

}  // namespace polycom

PC_DEFINE_PASS(dropout_forward)
PC_DEFINE_PASS(dropout_backward)
