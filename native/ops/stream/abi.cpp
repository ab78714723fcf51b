// pc_stream: the roof of the benchmarks. A block of 1 to 3 tensors in and 1 or 2 out into a call.
#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

constexpr scalar_rule method = {"method", PC_FINITE, 3,
                                "0 (any), 1 (ordinary stores) or 2 (streaming stores)"};

// The signature with the block's own counts.
pc_status take_counts(const pc_args* args, signature* sign) {
  if (args == nullptr) return fail(PC_INVALID_ARGUMENT, "stream: the arguments are null");
  const int32_t inputs = args->n_inputs, outputs = args->n_outputs;
  if (inputs < 1 || inputs > most_stream_inputs || outputs < 1 || outputs > most_stream_outputs) {
    return fail(PC_INVALID_ARGUMENT, "stream: got %d inputs and %d outputs; expected 1 to %d, and 1 to %d",
                inputs, outputs, most_stream_inputs, most_stream_outputs);
  }
  *sign = {"stream", {"x"}, {"y"}, {method}, 1, inputs - 1};
  if (outputs > 1) sign->outputs.add("z");
  return PC_OK;
}

pc_status read(const pc_queue* queue, const pc_args* args, bool planning, stream_call* call) {
  signature sign;
  if (pc_status status = take_counts(args, &sign)) return status;
  if (pc_status status = check_block(queue, args, sign, planning)) return status;
  const pc_tensor* all = tensors(args);
  const int32_t count = planning ? sign.n_inputs() : sign.n_inputs() + sign.n_outputs();
  for (int32_t i = 0; i < count; ++i) {
    if (pc_status status = check_like(sign, i, all[i], "the first", all[0])) return status;
    if (pc_status status = check_contiguous(sign, i, all[i])) return status;
  }
  call->inputs = sign.n_inputs();
  call->outputs = sign.n_outputs();
  call->bytes = element_count(all[0]) * item_size(all[0].dtype);
  if (planning) return PC_OK;
  for (int32_t i = 0; i < call->inputs; ++i) call->in[i] = static_cast<const char*>(all[i].data);
  for (int32_t i = 0; i < call->outputs; ++i) call->out[i] = static_cast<char*>(all[call->inputs + i].data);
  // As the kernels choose, where nobody does.
  const double asked = args->scalars[0];
  call->streaming = asked == 0 ? call->bytes >= (8 << 20) : asked == 2;
  return PC_OK;
}

}  // namespace
}  // namespace polycom

using namespace polycom;

pc_status pc_stream_plan(const pc_queue* queue, pc_args* args) {
  stream_call call{};
  if (pc_status status = read(queue, args, true, &call)) return status;
  for (int32_t i = 0; i < call.outputs; ++i) shape_like(&tensors(args)[call.inputs + i], tensors(args)[0]);
  args->workspace_size = 0;
  return PC_OK;
}

pc_status pc_stream(pc_queue* queue, const pc_args* args) {
  stream_call call{};
  if (pc_status status = read(queue, args, false, &call)) return status;
  constexpr signature sign = {"stream"};
  return run_on({queue->device == PC_CPU ? cpu::stream : PC_CUDA(stream)}, sign, *queue, call);
}
