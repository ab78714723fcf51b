// Embedding on CUDA: native/ops/embedding/cpu.cpp has the formulas. An id out of range, which the CPU
// refuses, makes its row of y NaN, and adds nothing to the gradient.
#include <math.h>

#include "call.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/reduce.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads, 1) embedding_forward_kernel(const embedding_call call) {
  for (int64_t n = blockIdx.x; n < call.count; n += gridDim.x) {
    const int64_t id = call.ids[n];
    const bool inside = id >= 0 && id < call.rows;
    for (int64_t i = threadIdx.x; i < call.cols; i += threads)
      call.y[n * call.cols + i] = inside ? call.table[id * call.cols + i] : NAN;
  }
}

// A block for each id and each `threads` columns, of which there are `tiles`: the first to have an id adds up
// the rows of all that have it.
__global__ void __launch_bounds__(threads, 1)
    embedding_backward_kernel(const embedding_call call, int64_t tiles) {
  using group_t = row_group<false, 1>;
  __shared__ group_t::shared room;
  group_t group(room);
  for (int64_t work = blockIdx.x; work < call.count * tiles; work += gridDim.x) {
    const int64_t n = work / tiles, col = work % tiles * threads + threadIdx.x;
    const int64_t id = call.ids[n];
    if (id < 0 || id >= call.rows) continue;
    int same[1] = {};
    for (int64_t m = threadIdx.x; m < n; m += threads) same[0] += call.ids[m] == id;
    group.sum(same);
    if (same[0] > 0) continue;
    double sum = 0;
    for (int64_t first = n; first < call.count; first += threads) {
      const int64_t mine = first + threadIdx.x, left = call.count - first;
      same[0] = mine < call.count && call.ids[mine] == id;
      group.sum(same);
      if (same[0] == 0 || col >= call.cols) continue;
      for (int64_t m = first; m < first + (left < threads ? left : threads); ++m) {
        if (call.ids[m] == id) sum += double(call.dy[m * call.cols + col]);
      }
    }
    if (col < call.cols) call.dtable[id * call.cols + col] = float(sum);
  }
}

}  // namespace

pc_status embedding_forward(pc_queue& queue, const embedding_call& call) {
  if (call.count == 0 || call.cols == 0) return PC_OK;
  return launch(queue, {call.count, threads}, embedding_forward_kernel, call);
}

pc_status embedding_backward(pc_queue& queue, const embedding_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  const size_t bytes = size_t(call.rows * call.cols) * sizeof(float);
  const device_scope device(queue.index);
  if (pc_status status = device.status("memset")) return status;
  const cudaError_t error = cudaMemsetAsync(call.dtable, 0, bytes, static_cast<cudaStream_t>(queue.stream));
  if (pc_status status = check(error, "memset")) return status;
  if (call.count == 0) return PC_OK;
  const int64_t tiles = divide_up(call.cols, threads);
  return launch(queue, {call.count * tiles, threads}, embedding_backward_kernel, call, tiles);
}

}  // namespace cuda
}  // namespace polycom
