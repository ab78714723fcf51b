// What the ops beside the activations share: how an argument block becomes a checked call of a kernel.
#pragma once
#include "arguments.h"
#include "kernels.h"
#include "queue.h"

namespace polycom {

// What a device has: a kernel, the bytes of workspace that it needs for a call (null: none), and what it
// checks of whole numbers before (null: nothing), where it can read them.
template <class Call>
struct device_pass {
  pc_status (*run)(pc_queue& queue, const Call& call);
  int64_t (*workspace)(const Call& call) = nullptr;
  pc_status (*check)(const signature& sign, const Call& call) = nullptr;
};

// One direction of an op, whose kernels take a `Call`.
template <class Call>
struct pass {
  signature sign;
  // Checks inputs, and takes sizes, addresses and scalars from the block.
  pc_status (*read)(const pass& p, const pc_args* args, Call* call);
  // Writes the dtype and shape of every output, by shape_of() or shape_like().
  void (*shape)(const pc_tensor* inputs, const Call& call, pc_tensor* outputs);
  // Takes the addresses of the outputs, which are contiguous and shaped as they were planned,
  // and of the workspace.
  void (*bind)(const pc_tensor* outputs, void* workspace, Call* call);
  device_pass<Call> cpu, cuda;

  const device_pass<Call>& on(const pc_queue& queue) const { return queue.device == PC_CPU ? cpu : cuda; }
  int64_t workspace(const pc_queue& queue, const Call& call) const {
    const auto needed = on(queue).workspace;
    return needed == nullptr ? 0 : needed(call);
  }
};

constexpr int32_t max_outputs = 8;

// The scalars of each op, by its line in polycom.h.
namespace scalars {
#define PC_SCALARS_OF(name, of, listed) constexpr scalar_list name = {listed};
PC_TRANSFORMER_OPS(PC_SCALARS_OF)
#undef PC_SCALARS_OF
}  // namespace scalars

template <class Call>
pc_status plan_pass(const pass<Call>& p, const pc_queue* queue, pc_args* args) {
  if (pc_status status = check_block(queue, args, p.sign, true)) return status;
  Call call{};
  if (pc_status status = p.read(p, args, &call)) return status;
  p.shape(tensors(args), call, tensors(args) + p.sign.n_inputs());
  args->workspace_size = p.workspace(*queue, call);
  return PC_OK;
}

template <class Call>
pc_status run_on(const device_pass<Call>& device, const signature& sign, pc_queue& queue, const Call& call) {
  if (device.run == nullptr) return fail(PC_NO_DEVICE, "%s: this library was built without CUDA", sign.op);
  if (device.check != nullptr) {
    if (pc_status status = device.check(sign, call)) return status;
  }
  return device.run(queue, call);
}

template <class Call>
pc_status run_pass(const pass<Call>& p, pc_queue* queue, const pc_args* args) {
  const signature& sign = p.sign;
  if (pc_status status = check_block(queue, args, sign, false)) return status;
  Call call{};
  if (pc_status status = p.read(p, args, &call)) return status;
  const pc_tensor* outputs = tensors(args) + sign.n_inputs();
  pc_tensor planned[max_outputs] = {};
  p.shape(tensors(args), call, planned);
  for (int32_t i = 0; i < sign.n_outputs(); ++i) {
    const int32_t index = sign.n_inputs() + i;
    if (pc_status status = check_like(sign, index, outputs[i], "its plan", planned[i])) return status;
    if (pc_status status = check_contiguous(sign, index, outputs[i])) return status;
  }
  if (pc_status status = check_workspace(sign, args, p.workspace(*queue, call))) return status;
  p.bind(outputs, args->workspace, &call);
  return run_on(p.on(*queue), sign, *queue, call);
}

// Makes `tensor` contiguous, of this shape.
inline void shape_of(pc_tensor* tensor, int32_t rank, const int64_t* sizes, pc_dtype dtype = PC_F32) {
  pc_tensor like{};
  like.dtype = dtype;
  like.rank = rank;
  for (int32_t i = 0; i < rank; ++i) like.shape[i] = sizes[i];
  shape_like(tensor, like);
}

}  // namespace polycom

// Defines pc_<name>_<direction> and its plan out of a pass of that name.
#define PC_DEFINE_PASS(name)                                         \
  pc_status pc_##name(pc_queue* queue, const pc_args* args) {        \
    return polycom::run_pass(polycom::name##_pass, queue, args);     \
  }                                                                  \
  pc_status pc_##name##_plan(const pc_queue* queue, pc_args* args) { \
    return polycom::plan_pass(polycom::name##_pass, queue, args);    \
  }
