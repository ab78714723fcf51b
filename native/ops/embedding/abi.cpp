// pc_embedding_*: their blocks into calls.
#include "call.h"
#include "runtime/pass.h"

namespace polycom {
namespace {

// Rows and ids are counted in int32 by the backward pass's workspace.
pc_status check_count(const pass<embedding_call>& p, int32_t index, int64_t count) {
  if (count <= INT32_MAX) return PC_OK;
  return fail(PC_UNSUPPORTED, "%s: %s has %lld rows; expected at most %d", p.sign.op,
              tensor_name(p.sign, index), (long long)count, INT32_MAX);
}

pc_status read_forward(const pass<embedding_call>& p, const pc_args* args, embedding_call* call) {
  const pc_tensor* in = tensors(args);
  if (pc_status status = check_stored(p.sign, 0, in[0], 2)) return status;
  if (pc_status status = check_plain(p.sign, 1, in[1], 1)) return status;
  call->dtype = in[0].dtype;
  call->rows = in[0].shape[0];
  call->cols = in[0].shape[1];
  call->count = in[1].shape[0];
  if (pc_status status = check_count(p, 0, call->rows)) return status;
  if (pc_status status = check_count(p, 1, call->count)) return status;
  call->table = in[0].data;
  call->ids = static_cast<const int32_t*>(in[1].data);
  return check_product(p.sign, p.sign.n_inputs(), call->count, call->cols);
}

void shape_forward(const pc_tensor*, const embedding_call& call, pc_tensor* out) {
  const int64_t sizes[] = {call.count, call.cols};
  shape_of(&out[0], 2, sizes, call.dtype);
}

pc_status read_backward(const pass<embedding_call>& p, const pc_args* args, embedding_call* call) {
  if (pc_status status = read_forward(p, args, call)) return status;
  const pc_tensor* in = tensors(args);
  pc_tensor y{};
  shape_forward(in, *call, &y);
  if (pc_status status = check_like(p.sign, 2, in[2], "y", y)) return status;
  if (pc_status status = check_contiguous(p.sign, 2, in[2])) return status;
  call->dy = in[2].data;
  return PC_OK;
}

void shape_backward(const pc_tensor* in, const embedding_call&, pc_tensor* out) {
  shape_like(&out[0], in[0]);
}

void bind_forward(const pc_tensor* out, void*, embedding_call* call) { call->y = out[0].data; }

void bind_backward(const pc_tensor* out, void* workspace, embedding_call* call) {
  call->dtable = out[0].data;
  call->workspace = workspace;
}

// Where the ids of each row end, and the sorted ids' places.
int64_t cpu_workspace(const embedding_call& call) {
  return (call.rows + call.count) * int64_t(sizeof(int32_t));
}

pc_status check_ids(const signature& sign, const embedding_call& call) {
  return check_integers(sign, 1, call.ids, call.count, 0, call.rows);
}

}  // namespace

static constexpr pass<embedding_call> embedding_forward_pass = {
    {"embedding_forward", {"table", i32("ids")}, {"y"}},
    read_forward,
    shape_forward,
    bind_forward,
    {cpu::embedding_forward, nullptr, check_ids},
    {PC_CUDA(embedding_forward)}};
static constexpr pass<embedding_call> embedding_backward_pass = {
    {"embedding_backward", {"table", i32("ids"), "dy"}, {"dtable"}},
    read_backward,
    shape_backward,
    bind_backward,
    {cpu::embedding_backward, cpu_workspace, check_ids},
    {PC_CUDA(embedding_backward), PC_CUDA(embedding_workspace)}};

}  // namespace polycom

PC_DEFINE_PASS(embedding_forward)
PC_DEFINE_PASS(embedding_backward)
