// pc_squaresum, pc_adamw and pc_mixedadamw: blocks of any number of tensors into calls.
#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

constexpr int32_t most_tensors = PC_MAX_TENSORS;

// Tensors of a list have one name; which of them it is, the message cannot say.
constexpr signature squaresum_sign = {"squaresum", {"x"}, {"sum"}, {}, 1};
constexpr signature adamw_sign = {"adamw", {"hyper", "parameter", "gradient", "m", "v"}, {}, {}, 4};
constexpr signature mixedadamw_sign = {
    "mixedadamw", {"hyper", "parameter", "gradient", "m", "v", "copy"}, {}, {}, 5};

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

pc_status read_squaresum(const pc_queue* queue, const pc_args* args, bool planning, squaresum_call* call) {
  signature sign;
  if (pc_status status = take_count(squaresum_sign, args, &sign)) return status;
  if (pc_status status = check_block(queue, args, sign, planning)) return status;
  const pc_tensor* in = tensors(args);
  for (int32_t i = 0; i < args->n_inputs; ++i) {
    if (pc_status status = check_contiguous(sign, i, in[i])) return status;
  }
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

// Tensors of a parameter's shape, contiguous, each in a storage that it may have.
pc_status check_parameter(const signature& sign, int32_t first, const pc_tensor* in) {
  for (int32_t k = 0; k < sign.repeated; ++k) {
    const pc_tensor& tensor = in[first + k];
    const bool fits = k == GRADIENT || (tensor.dtype == PC_F32) == (k != COPY);
    if (!fits || !same_shape(tensor, in[first])) {
      return fail(PC_INVALID_ARGUMENT,
                  "%s: %s has shape %s and dtype %d; expected its parameter's, %s, in %s", sign.op,
                  tensor_name(sign, first + k), shape_text(tensor).text, tensor.dtype,
                  shape_text(in[first]).text,
                  k == GRADIENT ? "any storage"
                  : k == COPY   ? "f16 or bf16"
                                : "f32");
    }
    if (pc_status status = check_contiguous(sign, first + k, tensor)) return status;
  }
  return PC_OK;
}

pc_status read_adamw(const signature& of, const pc_queue* queue, const pc_args* args, bool planning,
                     adamw_call* call) {
  signature sign;
  if (pc_status status = take_count(of, args, &sign)) return status;
  if (pc_status status = check_block(queue, args, sign, planning)) return status;
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_plain(sign, 0, in[0], 1)) return status;
  if (pc_status status = check_size(sign, 0, in[0], 0, adamw_rate_count)) return status;
  const int32_t each = sign.repeated;
  *call = {static_cast<const float*>(in[0].data), in + 1, each, (args->n_inputs - 1) / each, 0};
  for (int32_t i = 1; i < args->n_inputs; i += each) {
    if (pc_status status = check_parameter(sign, i, in)) return status;
    call->chunks += chunks_of(element_count(in[i]));
  }
  return PC_OK;
}

pc_status plan_adamw(const signature& of, const pc_queue* queue, pc_args* args) {
  adamw_call call;
  if (pc_status status = read_adamw(of, queue, args, true, &call)) return status;
  args->workspace_size = 0;
  return PC_OK;
}

pc_status run_adamw(const signature& of, const device_pass<adamw_call>& cpu,
                    const device_pass<adamw_call>& cuda, pc_queue* queue, const pc_args* args) {
  adamw_call call;
  if (pc_status status = read_adamw(of, queue, args, false, &call)) return status;
  return run_on(queue->device == PC_CPU ? cpu : cuda, of, *queue, call);
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
  const device_pass<squaresum_call> cpu{cpu::squaresum}, cuda{PC_CUDA(squaresum)};
  return run_on(queue->device == PC_CPU ? cpu : cuda, squaresum_sign, *queue, call);
}

pc_status pc_adamw_plan(const pc_queue* queue, pc_args* args) { return plan_adamw(adamw_sign, queue, args); }
pc_status pc_adamw(pc_queue* queue, const pc_args* args) {
  return run_adamw(adamw_sign, {cpu::adamw}, {PC_CUDA(adamw)}, queue, args);
}

pc_status pc_mixedadamw_plan(const pc_queue* queue, pc_args* args) {
  return plan_adamw(mixedadamw_sign, queue, args);
}
pc_status pc_mixedadamw(pc_queue* queue, const pc_args* args) {
  return run_adamw(mixedadamw_sign, {cpu::mixedadamw}, {PC_CUDA(mixedadamw)}, queue, args);
}
