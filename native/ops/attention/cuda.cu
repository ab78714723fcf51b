// Which kernels take an attention.
#include "cuda.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int first_with_mma = 80;

// Kernels count the rows of a head of k and v, and the keys, in 32 bits.
pc_status check_sizes(const attention_call& call, const char* op) {
  if (call.width > most_attention_width) {
    return fail(PC_UNSUPPORTED, "%s: heads are %lld wide; the CUDA kernels are for up to %d", op,
                (long long)call.width, most_attention_width);
  }
  constexpr int64_t most = INT32_MAX - 1024;
  if (call.keys > most || call.time > most / call.group()) {
    return fail(PC_UNSUPPORTED,
                "%s: %lld queries of %lld heads by %lld keys; at most %lld of either for each head of k", op,
                (long long)call.time, (long long)call.group(), (long long)call.keys, (long long)most);
  }
  return PC_OK;
}

}  // namespace

pc_status attention_forward(pc_queue& queue, const attention_call& call) {
  if (pc_status status = check_sizes(call, "attention_forward")) return status;
  return queue.architecture < first_with_mma ? simt_attention_forward(queue, call)
                                             : mma_attention_forward(queue, call);
}

pc_status attention_backward(pc_queue& queue, const attention_call& call) {
  if (pc_status status = check_sizes(call, "attention_backward")) return status;
  return queue.architecture < first_with_mma ? simt_attention_backward(queue, call)
                                             : mma_attention_backward(queue, call);
}

}  // namespace cuda
}  // namespace polycom
