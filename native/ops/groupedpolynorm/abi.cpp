// pc_groupedpolynorm*_*: their blocks into calls.
#include <math.h>

#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

// Where the tensors are. An input's gradient stands where the input does,
// but for the offsets, which have none.
template <bool Gated>
struct places {
  static constexpr int32_t up = 1, weight = Gated ? 2 : 1, bias = weight + 1, offsets = bias + 1,
                           shift = offsets + 1, dy = shift + 1;
  static constexpr int32_t dshift = offsets;
};

const float* floats(const pc_tensor& tensor) { return static_cast<const float*>(tensor.data); }

void take_scalars(const double* scalars, groupedpolynorm_call* call) {
  call->epsilon = float(scalars[0]);
  call->inverse_count = scalars[1] == 1 ? 1.0 : 1.0 / double(call->cols);
  call->input_limit = scalars[2] == 0 ? INFINITY : float(scalars[2]);
  call->bias_limit = scalars[3] == 0 ? INFINITY : float(scalars[3]);
  call->output_scale = float(scalars[4]);
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
  if (pc_status status = check_like(sign, index, in[index], tensor_name(sign, 0), in[0])) return status;
  return as_matrix(sign, index, in[index], &call->rows, &call->cols, folded);
}

template <bool Backward, bool Gated>
pc_status read(const pass<groupedpolynorm_call>& p, const pc_args* args, groupedpolynorm_call* call) {
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
  take_scalars(args->scalars, call);
  call->weight = floats(in[at::weight]);
  call->bias = floats(in[at::bias]);
  call->has_offsets = in[at::offsets].shape[0] > 0;
  call->offsets = static_cast<const int32_t*>(in[at::offsets].data);
  call->has_shift = in[at::shift].shape[0] > 0;
  call->shift = floats(in[at::shift]);
  if (Backward) {
    if (pc_status status = read_like_x(sign, in, at::dy, call, &call->dy)) return status;
    return check_product(sign, sign.n_inputs(), call->rows, call->order + 1);
  }
  return PC_OK;
}

void shape_forward(const pc_tensor* in, const groupedpolynorm_call&, pc_tensor* out) {
  shape_like(&out[0], in[0]);
}

template <bool Gated>
void shape_backward(const pc_tensor* in, const groupedpolynorm_call&, pc_tensor* out) {
  for (int32_t i = 0; i < places<Gated>::offsets; ++i) shape_like(&out[i], in[i]);
  shape_like(&out[places<Gated>::dshift], in[places<Gated>::shift]);
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

// Offsets that rise, from 0 or more to at most the rows.
template <bool Gated>
pc_status check_offsets(const signature& sign, const groupedpolynorm_call& call) {
  if (!call.has_offsets) return PC_OK;
  int64_t low = 0;
  for (int64_t g = 0; g <= call.groups; ++g) {
    const int64_t offset = call.offsets[g];
    if (offset < low || offset > call.rows) {
      return fail(PC_INVALID_ARGUMENT, "%s: %s[%lld] is %lld; expected %lld to %lld", sign.op,
                  tensor_name(sign, places<Gated>::offsets), (long long)g, (long long)offset, (long long)low,
                  (long long)call.rows);
    }
    low = offset;
  }
  return PC_OK;
}

}  // namespace

static constexpr pass<groupedpolynorm_call> groupedpolynorm_forward_pass = {
    {"groupedpolynorm_forward",
     {"x", "weight", "bias", i32("offsets"), "shift"},
     {"y"},
     scalars::groupedpolynorm},
    read<false, false>,
    shape_forward,
    bind_forward,
    {cpu::groupedpolynorm_forward, nullptr, check_offsets<false>},
    {PC_CUDA(groupedpolynorm_forward)}};
static constexpr pass<groupedpolynorm_call> groupedpolynorm_backward_pass = {
    {"groupedpolynorm_backward",
     {"x", "weight", "bias", i32("offsets"), "shift", "dy"},
     {"dx", "dweight", "dbias", "dshift"},
     scalars::groupedpolynorm},
    read<true, false>,
    shape_backward<false>,
    bind_backward<false>,
    {cpu::groupedpolynorm_backward, cpu::groupedpolynorm_workspace, check_offsets<false>},
    {PC_CUDA(groupedpolynorm_backward), PC_CUDA(groupedpolynorm_workspace)}};
static constexpr pass<groupedpolynorm_call> groupedpolynormglu_forward_pass = {
    {"groupedpolynormglu_forward",
     {"x", "up", "weight", "bias", i32("offsets"), "shift"},
     {"y"},
     scalars::groupedpolynormglu},
    read<false, true>,
    shape_forward,
    bind_forward,
    {cpu::groupedpolynormglu_forward, nullptr, check_offsets<true>},
    {PC_CUDA(groupedpolynormglu_forward)}};
static constexpr pass<groupedpolynorm_call> groupedpolynormglu_backward_pass = {
    {"groupedpolynormglu_backward",
     {"x", "up", "weight", "bias", i32("offsets"), "shift", "dy"},
     {"dx", "dup", "dweight", "dbias", "dshift"},
     scalars::groupedpolynormglu},
    read<true, true>,
    shape_backward<true>,
    bind_backward<true>,
    {cpu::groupedpolynormglu_backward, cpu::groupedpolynorm_workspace, check_offsets<true>},
    {PC_CUDA(groupedpolynormglu_backward), PC_CUDA(groupedpolynorm_workspace)}};

}  // namespace polycom

PC_DEFINE_PASS(groupedpolynorm_forward)
PC_DEFINE_PASS(groupedpolynorm_backward)
PC_DEFINE_PASS(groupedpolynormglu_forward)
PC_DEFINE_PASS(groupedpolynormglu_backward)
