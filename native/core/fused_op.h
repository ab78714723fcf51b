// What the ops beside the activations share: how an argument block becomes a checked call of a kernel.
#pragma once
#include "arguments.h"
#include "queue.h"

#if defined(PC_HAVE_CUDA)
#define PC_CUDA_OP(kernel) cuda::kernel
#else
#define PC_CUDA_OP(kernel) nullptr
#endif

namespace polycom {

// One direction of an op, whose kernels take a `Call`.
template <class Call>
struct fused_pass {
  signature sign;
  // Checks inputs and scalars, and takes sizes and addresses from them.
  pc_status (*read)(const fused_pass& pass, const pc_args* args, Call* call);
  // Writes the dtype and shape of every output, by shape_of() or shape_like().
  void (*shape)(const pc_tensor* inputs, const Call& call, pc_tensor* outputs);
  // Takes the addresses of the outputs, which are contiguous and shaped as they were planned, and of the
  // workspace.
  void (*bind)(const pc_tensor* outputs, void* workspace, Call* call);
  int64_t (*workspace)(pc_device device, const Call& call);  // null where none is ever needed
  pc_status (*cpu)(pc_queue& queue, const Call& call);
  pc_status (*cuda)(pc_queue& queue, const Call& call);
};

constexpr int32_t max_outputs = 8;

template <class Call>
pc_status plan_pass(const fused_pass<Call>& pass, const pc_queue* queue, pc_args* args) {
  if (pc_status status = check_block(queue, args, pass.sign, true)) return status;
  Call call{};
  if (pc_status status = pass.read(pass, args, &call)) return status;
  pass.shape(tensors(args), call, tensors(args) + pass.sign.n_inputs);
  args->workspace_size = pass.workspace == nullptr ? 0 : pass.workspace(queue->device, call);
  return PC_OK;
}

template <class Call>
pc_status run_pass(const fused_pass<Call>& pass, pc_queue* queue, const pc_args* args) {
  const signature& sign = pass.sign;
  if (pc_status status = check_block(queue, args, sign, false)) return status;
  Call call{};
  if (pc_status status = pass.read(pass, args, &call)) return status;
  const pc_tensor* outputs = tensors(args) + sign.n_inputs;
  pc_tensor planned[max_outputs] = {};
  pass.shape(tensors(args), call, planned);
  for (int32_t i = 0; i < sign.n_outputs; ++i) {
    if (pc_status status = check_like(sign, sign.n_inputs + i, outputs[i], "its plan", planned[i]))
      return status;
    if (pc_status status = check_contiguous(sign, sign.n_inputs + i, outputs[i])) return status;
  }
  const int64_t needed = pass.workspace == nullptr ? 0 : pass.workspace(queue->device, call);
  if (pc_status status = check_workspace(sign, args, needed)) return status;
  pass.bind(outputs, args->workspace, &call);
  const auto kernel = queue->device == PC_CPU ? pass.cpu : pass.cuda;
  if (kernel == nullptr) return fail(PC_NO_DEVICE, "%s: this library was built without CUDA", sign.op);
  return kernel(*queue, call);
}

// Makes `tensor` contiguous f32, of this shape.
inline void shape_of(pc_tensor* tensor, int32_t rank, const int64_t* sizes) {
  pc_tensor like{};
  like.rank = rank;
  for (int32_t i = 0; i < rank; ++i) like.shape[i] = sizes[i];
  shape_like(tensor, like);
}

}  // namespace polycom

// Defines pc_<name>_<direction> and its plan out of a fused_pass of that name.
#define PC_DEFINE_FUSED_PASS(name)                                   \
  pc_status pc_##name(pc_queue* queue, const pc_args* args) {        \
    return polycom::run_pass(polycom::name##_pass, queue, args);     \
  }                                                                  \
  pc_status pc_##name##_plan(const pc_queue* queue, pc_args* args) { \
    return polycom::plan_pass(polycom::name##_pass, queue, args);    \
  }
