// pc_polynormapply_*, pc_polynormmoments and pc_polynormproducts: their blocks into calls.
#include "polynormapply.h"

#include <math.h>

#include "cpu/dispatch.h"
#include "fused_op.h"

namespace polycom {
namespace {

using pass = fused_pass<polynormapply_call>;

constexpr const char* forward_inputs[] = {"x", "weight", "bias", "moments"};
constexpr const char* forward_outputs[] = {"y"};
constexpr const char* backward_inputs[] = {"x", "weight", "bias", "moments", "products", "dy"};
constexpr const char* backward_outputs[] = {"dx", "dweight", "dbias"};
constexpr const char* sums_inputs[] = {"x", "dy"};
constexpr const char* moments_outputs[] = {"moments"};
constexpr const char* products_outputs[] = {"products"};

const float* floats(const pc_tensor& tensor) { return static_cast<const float*>(tensor.data); }

pc_status read_x(const signature& sign, const pc_tensor* in, polynormapply_call* call) {
  if (in[0].rank == 0) {
    return fail(PC_INVALID_ARGUMENT,
                "%s: x is a scalar; expected rank 1 or more: it is normalised over the last axis", sign.op);
  }
  call->dtype = in[0].dtype;
  return as_matrix(sign, 0, in[0], &call->rows, &call->cols, &call->x);
}

pc_status read_dy(const signature& sign, const pc_tensor* in, int32_t index, polynormapply_call* call) {
  if (pc_status status = check_like(sign, index, in[index], "x", in[0])) return status;
  return as_matrix(sign, index, in[index], &call->rows, &call->cols, &call->dy);
}

// `width` sums of each of x's rows.
pc_status check_sums(const signature& sign, const pc_tensor* in, int32_t index, int64_t width) {
  if (pc_status status = check_plain(sign, index, in[index], in[0].rank)) return status;
  const int32_t last = in[0].rank - 1;
  for (int32_t axis = 0; axis < last; ++axis) {
    if (pc_status status = check_size(sign, index, in[index], axis, in[0].shape[axis])) return status;
  }
  return check_size(sign, index, in[index], last, width);
}

pc_status read_count(const signature& sign, double count, polynormapply_call* call) {
  if (!(count > 0 && isfinite(float(count))))
    return fail(PC_INVALID_ARGUMENT, "%s: count is %g; expected a finite number above 0", sign.op, count);
  call->inverse_count = 1.0 / count;
  return PC_OK;
}

pc_status read_order(const signature& sign, double order, polynormapply_call* call) {
  for (int32_t r = 1; r <= PC_MAX_ORDER; ++r) {
    if (order == r) return call->order = r, PC_OK;
  }
  return fail(PC_INVALID_ARGUMENT, "%s: order is %g; expected 1 to %d", sign.op, order, PC_MAX_ORDER);
}

pc_status read_forward(const pass& p, const pc_args* args, polynormapply_call* call) {
  const signature& sign = p.sign;
  const pc_tensor* in = tensors(args);
  if (pc_status status = read_x(sign, in, call)) return status;
  if (pc_status status = check_weight(sign, 1, in[1])) return status;
  if (pc_status status = check_bias(sign, 2, in[2])) return status;
  call->order = int32_t(in[1].shape[0]);
  if (pc_status status = check_sums(sign, in, 3, call->order)) return status;
  if (pc_status status = check_epsilon(sign, args->scalars[0])) return status;
  call->epsilon = float(args->scalars[0]);
  call->weight = floats(in[1]);
  call->bias = floats(in[2]);
  call->moments = floats(in[3]);
  return PC_OK;
}

pc_status read_backward(const pass& p, const pc_args* args, polynormapply_call* call) {
  if (pc_status status = read_forward(p, args, call)) return status;
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_sums(p.sign, in, 4, call->order + 1)) return status;
  if (pc_status status = read_dy(p.sign, in, 5, call)) return status;
  call->products = floats(in[4]);
  return read_count(p.sign, args->scalars[1], call);
}

pc_status read_moments(const pass& p, const pc_args* args, polynormapply_call* call) {
  if (pc_status status = read_x(p.sign, tensors(args), call)) return status;
  if (pc_status status = read_count(p.sign, args->scalars[0], call)) return status;
  if (pc_status status = read_order(p.sign, args->scalars[1], call)) return status;
  return check_product(p.sign, p.sign.n_inputs, call->rows, call->order);
}

pc_status read_products(const pass& p, const pc_args* args, polynormapply_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = read_x(p.sign, in, call)) return status;
  if (pc_status status = read_dy(p.sign, in, 1, call)) return status;
  if (pc_status status = read_order(p.sign, args->scalars[0], call)) return status;
  return check_product(p.sign, p.sign.n_inputs, call->rows, call->order + 1);
}

void shape_forward(const pc_tensor* in, const polynormapply_call&, pc_tensor* out) {
  shape_like(&out[0], in[0]);
}

void shape_backward(const pc_tensor* in, const polynormapply_call&, pc_tensor* out) {
  for (int32_t i = 0; i < 3; ++i) shape_like(&out[i], in[i]);
}

void shape_sums(const pc_tensor& x, int64_t width, pc_tensor* out) {
  int64_t sizes[PC_MAX_RANK];
  for (int32_t i = 0; i < x.rank; ++i) sizes[i] = x.shape[i];
  sizes[x.rank - 1] = width;
  shape_of(out, x.rank, sizes);
}

void shape_moments(const pc_tensor* in, const polynormapply_call& call, pc_tensor* out) {
  shape_sums(in[0], call.order, out);
}

void shape_products(const pc_tensor* in, const polynormapply_call& call, pc_tensor* out) {
  shape_sums(in[0], call.order + 1, out);
}

void bind_forward(const pc_tensor* out, void*, polynormapply_call* call) {
  call->out = {out[0].data, call->cols};
}

void bind_backward(const pc_tensor* out, void* workspace, polynormapply_call* call) {
  call->out = {out[0].data, call->cols};
  call->dweight = static_cast<float*>(out[1].data);
  call->dbias = static_cast<float*>(out[2].data);
  call->workspace = static_cast<double*>(workspace);
}

void bind_sums(const pc_tensor* out, void*, polynormapply_call* call) {
  call->sums = static_cast<float*>(out[0].data);
}

int64_t workspace(pc_device, const polynormapply_call& call) {
  return cut_apply(call.rows).count * (call.order + 1) * int64_t(sizeof(double));
}

}  // namespace

static constexpr pass polynormapply_forward_pass = {
    {"polynormapply_forward", forward_inputs, 4, forward_outputs, 1, 1},
    read_forward,
    shape_forward,
    bind_forward,
    nullptr,
    cpu::polynormapply_forward,
    PC_CUDA_OP(polynormapply_forward)};
static constexpr pass polynormapply_backward_pass = {
    {"polynormapply_backward", backward_inputs, 6, backward_outputs, 3, 2},
    read_backward,
    shape_backward,
    bind_backward,
    workspace,
    cpu::polynormapply_backward,
    PC_CUDA_OP(polynormapply_backward)};
static constexpr pass polynormmoments_pass = {{"polynormmoments", sums_inputs, 1, moments_outputs, 1, 2},
                                              read_moments,
                                              shape_moments,
                                              bind_sums,
                                              nullptr,
                                              cpu::polynormmoments,
                                              PC_CUDA_OP(polynormmoments)};
static constexpr pass polynormproducts_pass = {{"polynormproducts", sums_inputs, 2, products_outputs, 1, 1},
                                               read_products,
                                               shape_products,
                                               bind_sums,
                                               nullptr,
                                               cpu::polynormproducts,
                                               PC_CUDA_OP(polynormproducts)};

}  // namespace polycom

PC_DEFINE_FUSED_PASS(polynormapply_forward)
PC_DEFINE_FUSED_PASS(polynormapply_backward)
PC_DEFINE_FUSED_PASS(polynormmoments)
PC_DEFINE_FUSED_PASS(polynormproducts)
