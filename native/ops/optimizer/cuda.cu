// The optimizer's ops on CUDA: a launch a tensor, a block a chunk.
#include "call.h"
#include "math/portable.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/reduce.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;
using whole_block = row_group<false, 1>;

__global__ void __launch_bounds__(threads, 1)
    squaresum_kernel(const float* x, int64_t size, int64_t chunks, double* partials) {
  __shared__ whole_block::shared room;
  whole_block group(room);
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int64_t first = chunk * list_chunk, past = first + list_chunk < size ? first + list_chunk : size;
    double sum[1] = {};
    for (int64_t i = first + threadIdx.x; i < past; i += threads) sum[0] += double(x[i]) * double(x[i]);
    group.sum(sum);
    if (threadIdx.x == 0) partials[chunk] = sum[0];
  }
}

__global__ void __launch_bounds__(threads, 1)
    squaresum_total_kernel(const double* partials, int64_t chunks, float* total) {
  __shared__ whole_block::shared room;
  whole_block group(room);
  double sum[1] = {};
  for (int64_t i = threadIdx.x; i < chunks; i += threads) sum[0] += partials[i];
  group.sum(sum);
  if (threadIdx.x == 0) *total = float(sum[0]);
}

__global__ void __launch_bounds__(threads, 1)
    adamw_kernel(const float* rates, float* p, const float* g, float* m, float* v, int64_t size) {
  adamw_rates r;
  float* of = &r.rate;
#pragma unroll
  for (int i = 0; i < int(adamw_rate_count); ++i) of[i] = rates[i];
  const float kept = 1.0f - r.rate * r.decay, step = r.rate * reciprocal(r.correction1);
  const float inverse_root = reciprocal(r.root_correction2);
  for (int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x; i < size; i += int64_t(gridDim.x) * threads) {
    const float gradient = g[i] * r.scale;
    const float first = r.beta1 * m[i] + r.rest1 * gradient;
    const float second = r.beta2 * v[i] + r.rest2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    const float root = second == 0 ? 0.0f : second * reciprocal_square_root(second);
    p[i] = p[i] * kept - step * first * reciprocal(root * inverse_root + r.epsilon);
  }
}

float* data_of(const pc_tensor& tensor) { return static_cast<float*>(tensor.data); }

}  // namespace

pc_status squaresum(pc_queue& queue, const squaresum_call& call) {
  double* partials = call.partials;
  for (int32_t i = 0; i < call.count; ++i) {
    const int64_t size = count_elements(call.tensors[i]), chunks = chunks_of(size);
    if (chunks == 0) continue;
    const float* x = data_of(call.tensors[i]);
    if (pc_status status = launch(queue, {chunks, threads}, squaresum_kernel, x, size, chunks, partials))
      return status;
    partials += chunks;
  }
  const double* all = call.partials;
  return launch(queue, {1, threads}, squaresum_total_kernel, all, call.chunks, call.sum);
}

pc_status adamw(pc_queue& queue, const adamw_call& call) {
  for (int32_t i = 0; i < call.count; ++i) {
    const pc_tensor* t = call.tensors + 4 * i;
    const int64_t size = count_elements(t[0]);
    if (size == 0) continue;
    const float* g = data_of(t[1]);
    if (pc_status status = launch(queue, {divide_up(size, threads), threads}, adamw_kernel, call.rates,
                                  data_of(t[0]), g, data_of(t[2]), data_of(t[3]), size))
      return status;
  }
  return PC_OK;
}

}  // namespace cuda
}  // namespace polycom
