// The kernels of TensorFlow ops: one definition, one callback, for every op.
#include <stddef.h>
#include <string.h>

#include <algorithm>
#include <new>
#include <vector>

#include "order.h"
#include "runtime/arguments.h"

namespace polycom {
namespace tensorflow {

std::array<std::atomic<op*>, max_ops> ops{};

namespace {

// One op with one set of attribute values: TensorFlow makes one for each.
struct kernel {
  const op* made_of;
  double scalars[PC_MAX_SCALARS];
};

// Room for what TensorFlow hands out, deleted however a function is left, and for the op's argument block: on
// the stack, or for a longer list on the heap.
struct call_room {
  struct block {
    pc_args header;
    pc_tensor tensors[max_tensors];
  };
  static_assert(offsetof(block, tensors) == sizeof(pc_args), "an argument block's tensors follow its header");

  explicit call_room(int count) : size(count) {
    if (size <= max_tensors) return;
    long_block.resize(sizeof(pc_args) + size_t(size) * sizeof(pc_tensor));
    long_held.resize(size_t(size));
  }
  ~call_room() {
    for (int i = 0; i < size; ++i) {
      if (held()[i] != nullptr) tf.DeleteTensor(held()[i]);
    }
    if (workspace != nullptr) tf.DeleteTensor(workspace);
  }
  call_room(const call_room&) = delete;
  call_room& operator=(const call_room&) = delete;

  pc_args* header() {
    return size <= max_tensors ? &short_block.header : reinterpret_cast<pc_args*>(long_block.data());
  }
  TF_Tensor** held() { return size <= max_tensors ? short_held : long_held.data(); }

  int size;  // tensors
  TF_Tensor* workspace = nullptr;
  block short_block;
  TF_Tensor* short_held[max_tensors] = {};
  std::vector<char> long_block;
  std::vector<TF_Tensor*> long_held;
};

int code_of(pc_status status) {
  switch (status) {
    case PC_INVALID_ARGUMENT:
      return TF_INVALID_ARGUMENT;
    case PC_UNSUPPORTED:
      return TF_UNIMPLEMENTED;
    case PC_NO_DEVICE:
      return TF_FAILED_PRECONDITION;
    case PC_OUT_OF_MEMORY:
      return TF_RESOURCE_EXHAUSTED;
    default:
      return TF_INTERNAL;
  }
}

// Tells TensorFlow our status, with our text.
bool passed(pc_status status, TF_Status* told) {
  if (status == PC_OK) return true;
  char text[1024];
  pc_last_error(text, sizeof text);
  tf.SetStatus(told, code_of(status), text);
  return false;
}

}  // namespace

void* create(TF_OpKernelConstruction* construction) {
  status_holder status;
  kernel* made = new (std::nothrow) kernel{};
  int64_t index = -1;
  tf.OpKernelConstruction_GetAttrInt64(construction, index_attribute, &index, status.value);
  if (made != nullptr && status.ok() && index >= 0 && index < max_ops)
    made->made_of = ops[size_t(index)].load();
  if (status.ok() && (made == nullptr || made->made_of == nullptr)) {
    tf.SetStatus(status.value, TF_INTERNAL, "polycom: this op was not registered by this library");
  }
  for (size_t i = 0; status.ok() && i < made->made_of->scalars.size(); ++i) {
    float value = 0;
    tf.OpKernelConstruction_GetAttrFloat(construction, made->made_of->scalars[i].name.c_str(), &value,
                                         status.value);
    made->scalars[i] = double(value);
  }
  if (!status.ok()) tf.OpKernelConstruction_Failure(construction, status.value);
  return made;
}

void destroy(void* made) { delete static_cast<kernel*>(made); }

namespace {

// The views of a tensor of this shape: itself, or its halves.
void view_as(const pc_tensor& whole, int count, pc_tensor* views) {
  views[0] = whole;
  if (count == 1) return;
  const int last = whole.rank - 1;
  views[0].shape[last] /= 2;
  views[1] = views[0];
  views[1].data = static_cast<char*>(whole.data) + views[0].shape[last] * item_size(whole.dtype);
}

bool read_input(TF_OpKernelContext* context, const op& of, int index, TF_Tensor** held, pc_tensor* views,
                TF_Status* told) {
  const port& input = size_t(index) < of.inputs.size() ? of.inputs[size_t(index)] : of.inputs.back();
  tf.GetInput(context, index, held, told);
  if (tf.GetCode(told) != TF_OK) return false;
  const int rank = tf.NumDims(*held);
  if (tf.TensorType(*held) != (input.integer ? TF_INT32 : TF_FLOAT) || rank > PC_MAX_RANK) {
    return passed(
        fail(PC_INVALID_ARGUMENT, "%s: %s has TensorFlow type %d and rank %d; expected %s and at most %d",
             of.name.c_str(), input.name.c_str(), tf.TensorType(*held), rank,
             input.integer ? "int32" : "float", PC_MAX_RANK),
        told);
  }
  pc_tensor shape{}, whole{};
  shape.rank = rank;
  for (int i = 0; i < rank; ++i) shape.shape[i] = tf.Dim(*held, i);
  shape_like(&whole, shape);
  whole.dtype = input.integer ? PC_I32 : PC_F32;
  whole.data = tf.TensorData(*held);
  if (input.views == 2 && (rank == 0 || whole.shape[rank - 1] % 2 != 0)) {
    return passed(fail(PC_INVALID_ARGUMENT, "%s: %s has shape %s; expected a last axis of even length",
                       of.name.c_str(), input.name.c_str(), shape_text(whole).text),
                  told);
  }
  view_as(whole, input.views, views);
  return true;
}

// `views` are what the plan made of the outputs: contiguous, and if two, of one shape.
bool allocate_output(TF_OpKernelContext* context, int index, int count, TF_Tensor** held, pc_tensor* views,
                     TF_Status* told) {
  pc_tensor shape = views[0], whole{};
  if (count == 2) shape.shape[shape.rank - 1] *= 2;
  shape_like(&whole, shape);
  const size_t bytes = size_t(element_count(whole) * item_size(whole.dtype));
  *held = tf.AllocateOutput(context, index, TF_FLOAT, whole.shape, whole.rank, bytes, told);
  if (tf.GetCode(told) != TF_OK) return false;
  whole.data = tf.TensorData(*held);
  view_as(whole, count, views);
  return true;
}

bool allocate_workspace(TF_OpKernelContext* context, TF_Tensor** held, pc_args* args, TF_Status* told) {
  if (args->workspace_size == 0) return true;
  allocator_attributes attributes{sizeof attributes, 0};
  *held = tf.AllocateTemp(context, TF_UINT8, &args->workspace_size, 1, &attributes, told);
  if (tf.GetCode(told) != TF_OK) return false;
  args->workspace = tf.TensorData(*held);
  return true;
}

// Inputs that were written in place become outputs. `inputs` are those of TensorFlow: of a list each of its tensors.
bool give_what_was_written(TF_OpKernelContext* context, const op& of, TF_Tensor** inputs, int n_inputs,
                           TF_Status* told) {
  int index = 0;
  for (const port& output : of.outputs) {
    if (!output.in_place) {
      ++index;
      continue;
    }
    const auto is_it = [&](const port& input) { return input.name == output.name; };
    const int first = int(std::find_if(of.inputs.begin(), of.inputs.end(), is_it) - of.inputs.begin());
    const int past = output.list ? n_inputs : first + 1;
    for (int i = first; i < past; ++i) {
      tf.SetOutput(context, index++, inputs[i], told);
      if (tf.GetCode(told) != TF_OK) return false;
    }
  }
  return true;
}

bool run_kernel(pc_device device, const kernel& made, TF_OpKernelContext* context, TF_Status* told) {
  const op& of = *made.made_of;
  const int n_ports = tf.NumInputs(context);  // a list has as many as there are tensors in it
  const int n_inputs = of.has_list() ? n_ports : count_views(of.inputs), n_outputs = count_views(of.outputs);
  if (n_inputs + n_outputs > PC_MAX_TENSORS) {
    return passed(fail(PC_INVALID_ARGUMENT, "%s: %d tensors; expected at most %d", of.name.c_str(),
                       n_inputs + n_outputs, PC_MAX_TENSORS),
                  told);
  }
  call_room room(n_inputs + n_outputs);
  pc_args* args = room.header();
  *args = {};
  args->size = int64_t(sizeof(pc_args) + size_t(n_inputs + n_outputs) * sizeof(pc_tensor));
  args->n_inputs = n_inputs;
  args->n_outputs = n_outputs;
  args->n_scalars = int32_t(of.scalars.size());
  memcpy(args->scalars, made.scalars, sizeof made.scalars);
  const int index = device == PC_CPU ? 0 : tf.GetDeviceId(context);
  place at;
  if (!passed(find_place(context, device, index, &at), told)) return false;
  TF_Tensor** slot = room.held();
  pc_tensor* views = tensors(args);
  for (int i = 0; i < n_ports; ++i) {
    if (!read_input(context, of, i, slot++, views, told)) return false;
    views += of.has_list() ? 1 : of.inputs[size_t(i)].views;
  }
  if (!passed(of.plan(at.queue, args), told)) return false;
  for (int i = 0; i < int(of.outputs.size()); ++i) {
    if (of.outputs[size_t(i)].in_place) continue;
    const int count = of.outputs[size_t(i)].views;
    if (!allocate_output(context, i, count, slot++, views, told)) return false;
    views += count;
  }
  if (!allocate_workspace(context, &room.workspace, args, told)) return false;
  return passed(run_in_order(of, at, args), told) &&
         give_what_was_written(context, of, room.held(), n_ports, told);
}

void compute_on(pc_device device, void* made, TF_OpKernelContext* context) {
  status_holder status;
  bool ran = false;
  try {
    ran = run_kernel(device, *static_cast<const kernel*>(made), context, status.value);
  } catch (const std::bad_alloc&) {
    tf.SetStatus(status.value, TF_RESOURCE_EXHAUSTED, "polycom: no memory for a list of tensors");
  }
  if (!ran) tf.OpKernelContext_Failure(context, status.value);
}

}  // namespace

void compute_on_cpu(void* made, TF_OpKernelContext* context) { compute_on(PC_CPU, made, context); }
void compute_on_gpu(void* made, TF_OpKernelContext* context) { compute_on(PC_CUDA, made, context); }

}  // namespace tensorflow
}  // namespace polycom
