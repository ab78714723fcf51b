// pc_squaresum and pc_adamw: blocks of any number of tensors into calls.
#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

constexpr int32_t most_tensors = PC_MAX_TENSORS;

// Tensors of a list have one name; which of them it is, the message cannot say.
constexpr signature squaresum_sign = {"squaresum", {"x"}, {"sum"}, {}, 1};
constexpr signature adamw_sign = {"adamw", {"hyper", "parameter", "gradient", "m", "v"}, {}, {}, 4};

// The signature with the block's own count of inputs: some that come once, and any number of those repeated.
pc_status take_count(const signature& of, const pc_args* args, signature* sign) {
  if (args == nullptr) return fail(PC_INVALID_ARGUMENT, "%s: the arguments are null", of.op);
  const int32_t count = args->n_inputs, once = of.inputs.count - of.repeated;
  if (count < once || count > most_tensors || (count - once) % of.repeated != 0) {
    return fail(PC_INVALID_ARGUMENT, "%s: got %d inputs; expected %d and a multiple of %d, at most %d in all",
                of.op, count, once, of.repeated, most_tensors);
  }
  *sign = of;
  sign->more = count - of.inputs.count;
  return PC_OK;
}

pc_status check_list(const signature& sign, const pc_tensor* in) {
  for (int32_t i = 0; i < sign.n_inputs(); ++i) {
    if (pc_status status = check_plain(sign, i, in[i], in[i].rank)) return status;
  }
  return PC_OK;
}

pc_status read_squaresum(const pc_queue* queue, const pc_args* args, bool planning, squaresum_call* call) {
  signature sign;
  if (pc_status status = take_count(squaresum_sign, args, &sign)) return status;
  if (pc_status status = check_block(queue, args, sign, planning)) return status;
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_list(sign, in)) return status;
  *call = {in, args->n_inputs, 0, nullptr, nullptr};
  for (int32_t i = 0; i < call->count; ++i) call->chunks += chunks_of(element_count(in[i]));
  if (planning) return PC_OK;
  const pc_tensor& sum = in[args->n_inputs];
  if (sum.dtype != PC_F32 || element_count(sum) != 1)
    return fail(PC_INVALID_ARGUMENT, "squaresum: sum has shape %s and dtype %d; expected a scalar in f32",
                shape_text(sum).text, sum.dtype);
  call->sum = static_cast<float*>(sum.data);
  call->partials = static_cast<double*>(args->workspace);
  return check_workspace(sign, args, call->chunks * int64_t(sizeof(double)));
}

pc_status read_adamw(const pc_queue* queue, const pc_args* args, bool planning, adamw_call* call) {
  signature sign;
  if (pc_status status = take_count(adamw_sign, args, &sign)) return status;
  if (pc_status status = check_block(queue, args, sign, planning)) return status;
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_list(sign, in)) return status;
  if (in[0].rank != 1 || in[0].shape[0] != adamw_rate_count)
    return fail(PC_INVALID_ARGUMENT, "adamw: hyper has shape %s; expected [%lld]", shape_text(in[0]).text,
                (long long)adamw_rate_count);
  for (int32_t i = 1; i < args->n_inputs; ++i) {
    const int32_t parameter = i - (i - 1) % 4;
    if (pc_status status = check_like(sign, i, in[i], "its parameter", in[parameter])) return status;
  }
  *call = {static_cast<const float*>(in[0].data), in + 1, (args->n_inputs - 1) / 4, 0};
  for (int32_t i = 0; i < call->count; ++i) call->chunks += chunks_of(element_count(call->tensors[4 * i]));
  return PC_OK;
}

}  // namespace
}  // namespace polycom

using namespace polycom;

pc_status pc_squaresum_plan(const pc_queue* queue, pc_args* args) {
  squaresum_call call;
  if (pc_status status = read_squaresum(queue, args, true, &call)) return status;
  shape_of(&tensors(args)[args->n_inputs], 0, nullptr);
  args->workspace_size = call.chunks * int64_t(sizeof(double));
  return PC_OK;
}

pc_status pc_squaresum(pc_queue* queue, const pc_args* args) {
  squaresum_call call;
  if (pc_status status = read_squaresum(queue, args, false, &call)) return status;
  return run_on({queue->device == PC_CPU ? cpu::squaresum : PC_CUDA(squaresum)}, squaresum_sign, *queue,
                call);
}

pc_status pc_adamw_plan(const pc_queue* queue, pc_args* args) {
  adamw_call call;
  if (pc_status status = read_adamw(queue, args, true, &call)) return status;
  args->workspace_size = 0;
  return PC_OK;
}

pc_status pc_adamw(pc_queue* queue, const pc_args* args) {
  adamw_call call;
  if (pc_status status = read_adamw(queue, args, false, &call)) return status;
  return run_on({queue->device == PC_CPU ? cpu::adamw : PC_CUDA(adamw)}, adamw_sign, *queue, call);
}
