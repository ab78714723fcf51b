// pc_groupedpolynorm*_* and pc_quantizedpolynorm*: their blocks into calls.
#include "groupedpolynorm.h"

#include <math.h>

#include "cpu/dispatch.h"
#include "cpu/partition.h"
#include "fused_op.h"

namespace polycom {
namespace {

using pass = fused_pass<groupedpolynorm_call>;

enum class kind { forward, backward, quantized };

constexpr const char* inputs[] = {"x", "weight", "bias", "offsets", "shift", "dy"};
constexpr const char* gated_inputs[] = {"x", "up", "weight", "bias", "offsets", "shift", "dy"};
constexpr const char* quantized_inputs[] = {"x", "weight", "bias", "offsets", "shift", "scale"};
constexpr const char* gated_quantized_inputs[] = {"x", "up", "weight", "bias", "offsets", "shift", "scale"};
constexpr const char* forward_outputs[] = {"y"};
constexpr const char* quantized_outputs[] = {"y", "scales"};
constexpr const char* gradients[] = {"dx", "dweight", "dbias", "dshift"};
constexpr const char* gated_gradients[] = {"dx", "dup", "dweight", "dbias", "dshift"};

// Where the tensors are. An input's gradient stands where the input does, but for the offsets, which have
// none.
template <bool Gated>
struct places {
  static constexpr int32_t up = 1, weight = Gated ? 2 : 1, bias = weight + 1, offsets = bias + 1,
                           shift = offsets + 1, last = shift + 1;  // dy, or the scale
  static constexpr int32_t dshift = offsets;
};

template <kind Kind, bool Gated>
constexpr signature sign_of(const char* op) {
  constexpr bool backward = Kind == kind::backward, quantized = Kind == kind::quantized;
  constexpr int32_t n_inputs = places<Gated>::last + (Kind == kind::forward ? 0 : 1);
  return {op,
          quantized ? (Gated ? gated_quantized_inputs : quantized_inputs) : (Gated ? gated_inputs : inputs),
          n_inputs,
          backward    ? (Gated ? gated_gradients : gradients)
          : quantized ? quantized_outputs
                      : forward_outputs,
          backward    ? places<Gated>::dshift + 1
          : quantized ? 2
                      : 1,
          5,
          uint64_t(1) << places<Gated>::offsets,
          quantized ? uint64_t(1) << n_inputs : 0};
}

const float* floats(const pc_tensor& tensor) { return static_cast<const float*>(tensor.data); }

// A clamp's limit out of its scalar, which is 0 for none.
pc_status read_limit(const signature& sign, const char* name, double value, float* limit) {
  if (!(value >= 0 && isfinite(float(value)))) {
    return fail(PC_INVALID_ARGUMENT, "%s: %s is %g; expected a finite number above 0, or 0 for none", sign.op,
                name, value);
  }
  *limit = value == 0 ? INFINITY : float(value);
  return PC_OK;
}

pc_status read_scalars(const signature& sign, const double* scalars, groupedpolynorm_call* call) {
  if (pc_status status = check_epsilon(sign, scalars[0])) return status;
  if (pc_status status = check_choice(sign, "norm", scalars[1], "0 (RMS) or 1 (L2)")) return status;
  if (pc_status status = read_limit(sign, "input_clamp", scalars[2], &call->input_limit)) return status;
  if (pc_status status = read_limit(sign, "bias_clamp", scalars[3], &call->bias_limit)) return status;
  if (!isfinite(float(scalars[4])))
    return fail(PC_INVALID_ARGUMENT, "%s: output_scale is %g; expected a finite number", sign.op, scalars[4]);
  call->epsilon = float(scalars[0]);
  call->inverse_count = scalars[1] == 1 ? 1.0 : 1.0 / double(call->cols);
  call->output_scale = float(scalars[4]);
  return PC_OK;
}

// A vector of `size` elements, or an empty one: then nothing is read of it.
pc_status check_optional(const signature& sign, int32_t index, const pc_tensor& tensor, int64_t size) {
  if (pc_status status = check_plain(sign, index, tensor, 1)) return status;
  return tensor.shape[0] == 0 ? PC_OK : check_size(sign, index, tensor, 0, size);
}

pc_status check_groups(const signature& sign, int32_t index, const pc_tensor& offsets, int64_t groups) {
  if (pc_status status = check_optional(sign, index, offsets, groups + 1)) return status;
  if (groups == 1 || offsets.shape[0] > 0) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "%s: there are %lld groups and no offsets; expected one group, or [%lld]",
              sign.op, (long long)groups, (long long)groups + 1);
}

// Another tensor of x's shape and dtype, as rows.
pc_status read_like_x(const signature& sign, const pc_tensor* in, int32_t index, groupedpolynorm_call* call,
                      matrix* folded) {
  if (pc_status status = check_like(sign, index, in[index], sign.inputs[0], in[0])) return status;
  return as_matrix(sign, index, in[index], &call->rows, &call->cols, folded);
}

template <kind Kind, bool Gated>
pc_status read(const pass& p, const pc_args* args, groupedpolynorm_call* call) {
  using at = places<Gated>;
  const signature& sign = p.sign;
  const pc_tensor* in = tensors(args);
  if (in[0].rank == 0) {
    return fail(PC_INVALID_ARGUMENT,
                "%s: x is a scalar; expected rank 1 or more: it is normalised over the last axis", sign.op);
  }
  if (pc_status status = as_matrix(sign, 0, in[0], &call->rows, &call->cols, &call->x)) return status;
  call->dtype = in[0].dtype;
  if (Gated) {
    if (pc_status status = read_like_x(sign, in, at::up, call, &call->up)) return status;
  }
  if (pc_status status = check_plain(sign, at::weight, in[at::weight], 2)) return status;
  call->groups = in[at::weight].shape[0];
  if (pc_status status = check_order(sign, at::weight, in[at::weight].shape[1])) return status;
  call->order = int32_t(in[at::weight].shape[1]);
  if (pc_status status = check_plain(sign, at::bias, in[at::bias], 1)) return status;
  if (pc_status status = check_size(sign, at::bias, in[at::bias], 0, call->groups)) return status;
  if (pc_status status = check_groups(sign, at::offsets, in[at::offsets], call->groups)) return status;
  if (pc_status status = check_optional(sign, at::shift, in[at::shift], call->cols)) return status;
  if (pc_status status = read_scalars(sign, args->scalars, call)) return status;
  call->weight = floats(in[at::weight]);
  call->bias = floats(in[at::bias]);
  call->has_offsets = in[at::offsets].shape[0] > 0;
  call->offsets = static_cast<const int32_t*>(in[at::offsets].data);
  call->has_shift = in[at::shift].shape[0] > 0;
  call->shift = floats(in[at::shift]);
  if (Kind == kind::backward) {
    if (pc_status status = read_like_x(sign, in, at::last, call, &call->dy)) return status;
    return check_product(sign, sign.n_inputs, call->rows, call->order + 1);
  }
  if (Kind == kind::forward) return PC_OK;
  const pc_tensor& scale = in[at::last];
  call->has_scale = scale.rank == 0;
  if (pc_status status =
          call->has_scale ? check_plain(sign, at::last, scale, 0) : check_optional(sign, at::last, scale, 0))
    return status;
  call->scale = floats(scale);
  return check_product(sign, sign.n_inputs + 1, call->rows, 1);
}

void shape_forward(const pc_tensor* in, const groupedpolynorm_call&, pc_tensor* out) {
  shape_like(&out[0], in[0]);
}

template <bool Gated>
void shape_backward(const pc_tensor* in, const groupedpolynorm_call&, pc_tensor* out) {
  for (int32_t i = 0; i < places<Gated>::offsets; ++i) shape_like(&out[i], in[i]);
  shape_like(&out[places<Gated>::dshift], in[places<Gated>::shift]);
}

void shape_quantized(const pc_tensor* in, const groupedpolynorm_call& call, pc_tensor* out) {
  shape_like(&out[0], in[0]);
  out[0].dtype = PC_F8E4M3;
  shape_of(&out[1], 1, &call.rows);
}

void bind_forward(const pc_tensor* out, void*, groupedpolynorm_call* call) {
  call->out = {out[0].data, call->cols};
}

template <bool Gated>
void bind_backward(const pc_tensor* out, void* workspace, groupedpolynorm_call* call) {
  call->out = {out[0].data, call->cols};
  if (Gated) call->dup = {out[places<Gated>::up].data, call->cols};
  call->dweight = static_cast<float*>(out[places<Gated>::weight].data);
  call->dbias = static_cast<float*>(out[places<Gated>::bias].data);
  call->dshift = static_cast<float*>(out[places<Gated>::dshift].data);
  call->workspace = static_cast<double*>(workspace);
}

void bind_quantized(const pc_tensor* out, void*, groupedpolynorm_call* call) {
  call->out = {out[0].data, call->cols};
  call->scales = static_cast<float*>(out[1].data);
}

int64_t workspace(pc_device device, const groupedpolynorm_call& call) {
  if (call.empty()) return 0;
  int64_t doubles = call.rows * (call.order + 1);
  if (call.has_shift) {
    doubles += device == PC_CPU ? cpu::cut_rows(call.rows, call.cols).count * cpu::padded_cols(call.cols)
                                : cuda::grouped_pieces(call.rows) * call.cols;
  }
  return doubles * int64_t(sizeof(double));
}

// On the CPU: offsets that rise, from 0 or more to at most the rows.
pc_status check_offsets(const signature& sign, int32_t index, const groupedpolynorm_call& call) {
  if (!call.has_offsets) return PC_OK;
  int64_t low = 0;
  for (int64_t g = 0; g <= call.groups; ++g) {
    const int64_t offset = call.offsets[g];
    if (offset < low || offset > call.rows) {
      return fail(PC_INVALID_ARGUMENT, "%s: %s[%lld] is %lld; expected %lld to %lld", sign.op,
                  tensor_name(sign, index), (long long)g, (long long)offset, (long long)low,
                  (long long)call.rows);
    }
    low = offset;
  }
  return PC_OK;
}

}  // namespace

#define PC_DEFINE_GROUPED(name, kind_of, gated, shape, bind, workspace_of)                               \
  static constexpr signature name##_signature = sign_of<kind::kind_of, gated>(#name);                    \
  static pc_status name##_on_cpu(pc_queue& queue, const groupedpolynorm_call& call) {                    \
    if (pc_status status = check_offsets(name##_signature, places<gated>::offsets, call)) return status; \
    return cpu::name(queue, call);                                                                       \
  }                                                                                                      \
  static constexpr pass name##_pass = {                                                                  \
      name##_signature, read<kind::kind_of, gated>, shape, bind, workspace_of, name##_on_cpu,            \
      PC_CUDA_OP(name)};

PC_DEFINE_GROUPED(groupedpolynorm_forward, forward, false, shape_forward, bind_forward, nullptr)
PC_DEFINE_GROUPED(groupedpolynormglu_forward, forward, true, shape_forward, bind_forward, nullptr)
PC_DEFINE_GROUPED(groupedpolynorm_backward, backward, false, shape_backward<false>, bind_backward<false>,
                  workspace)
PC_DEFINE_GROUPED(groupedpolynormglu_backward, backward, true, shape_backward<true>, bind_backward<true>,
                  workspace)
PC_DEFINE_GROUPED(quantizedpolynorm, quantized, false, shape_quantized, bind_quantized, nullptr)
PC_DEFINE_GROUPED(quantizedpolynormglu, quantized, true, shape_quantized, bind_quantized, nullptr)

}  // namespace polycom

PC_DEFINE_FUSED_PASS(groupedpolynorm_forward)
PC_DEFINE_FUSED_PASS(groupedpolynorm_backward)
PC_DEFINE_FUSED_PASS(groupedpolynormglu_forward)
PC_DEFINE_FUSED_PASS(groupedpolynormglu_backward)
PC_DEFINE_FUSED_PASS(quantizedpolynorm)
PC_DEFINE_FUSED_PASS(quantizedpolynormglu)
