// pc_squaresum and pc_adamw: blocks of any number of tensors into calls.
#include "optimizer.h"

#include "fused_op.h"

namespace polycom {
namespace {

constexpr int32_t most_tensors = PC_MAX_TENSORS;

// The names that messages use. Tensors of a list have one name; which of them it is, the message cannot say.
struct list_names {
  const char* names[most_tensors];
  constexpr list_names(const char* first, const char* const* cycle, int32_t length) : names{} {
    for (int32_t i = 0; i < most_tensors; ++i) {
      const int32_t k = first == nullptr ? i : i - 1;
      names[i] = k < 0 ? first : cycle[k % length];
    }
  }
};
constexpr const char* squaresum_cycle[] = {"x"};
constexpr const char* adamw_cycle[] = {"parameter", "gradient", "m", "v"};
constexpr list_names squaresum_names(nullptr, squaresum_cycle, 1);
constexpr list_names adamw_names("hyper", adamw_cycle, 4);
constexpr const char* squaresum_outputs[] = {"sum"};

// The block's own count of inputs, within bounds: the rest of its checks need one.
pc_status check_count(const char* op, const pc_args* args, int32_t first, int32_t each) {
  if (args == nullptr) return fail(PC_INVALID_ARGUMENT, "%s: the arguments are null", op);
  const int32_t count = args->n_inputs;
  if (count >= first && count <= most_tensors && (count - first) % each == 0) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "%s: got %d inputs; expected %d and a multiple of %d, at most %d in all",
              op, args->n_inputs, first, each, most_tensors);
}

pc_status check_list(const signature& sign, const pc_tensor* in) {
  for (int32_t i = 0; i < sign.n_inputs; ++i) {
    if (pc_status status = check_plain(sign, i, in[i], in[i].rank)) return status;
  }
  return PC_OK;
}

pc_status read_squaresum(const pc_queue* queue, const pc_args* args, bool planning, squaresum_call* call) {
  if (pc_status status = check_count("squaresum", args, 0, 1)) return status;
  const signature sign = {"squaresum", squaresum_names.names, args->n_inputs, squaresum_outputs, 1, 0};
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
  if (pc_status status = check_count("adamw", args, 1, 4)) return status;
  const signature sign = {"adamw", adamw_names.names, args->n_inputs, nullptr, 0, 0};
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
  if (queue->device == PC_CPU) return cpu::squaresum(*queue, call);
#if defined(PC_HAVE_CUDA)
  return cuda::squaresum(*queue, call);
#else
  return fail(PC_NO_DEVICE, "squaresum: this library was built without CUDA");
#endif
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
  if (queue->device == PC_CPU) return cpu::adamw(*queue, call);
#if defined(PC_HAVE_CUDA)
  return cuda::adamw(*queue, call);
#else
  return fail(PC_NO_DEVICE, "adamw: this library was built without CUDA");
#endif
}
