// RMSNorm on CUDA: native/ops/rmsnorm/cpu.cpp has the formulas. A block takes a row; the gradient of the
// weight is summed down the columns by a second kernel, in an order that the shape fixes.
#include "call.h"
#include "math/portable.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/reduce.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int row_threads = 256;
constexpr int tile_cols = 32, tile_rows = 8;  // of the threads that sum a column

using threads_of_row = row_group<false, 1>;

__device__ double inverse_rms(threads_of_row& group, const float* x, const rmsnorm_call& call) {
  double sum[1] = {};
  for (int64_t i = threadIdx.x; i < call.cols; i += row_threads) sum[0] += double(x[i]) * double(x[i]);
  group.sum(sum);
  return reciprocal_square_root(sum[0] / double(call.cols) + double(call.epsilon));
}

__global__ void __launch_bounds__(row_threads, 1) rmsnorm_forward_kernel(const rmsnorm_call call) {
  __shared__ threads_of_row::shared room;
  threads_of_row group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const int64_t at = r * call.cols;
    const float* x = call.x + at;
    if (call.residual != nullptr) {
      // Each thread reads back only what it wrote itself.
      for (int64_t i = threadIdx.x; i < call.cols; i += row_threads)
        call.sum[at + i] = x[i] + call.residual[at + i];
      x = call.sum + at;
    }
    const double scale = inverse_rms(group, x, call);
    for (int64_t i = threadIdx.x; i < call.cols; i += row_threads)
      call.y[at + i] = float(double(x[i]) * scale) * call.weight[i];
  }
}

__global__ void __launch_bounds__(row_threads, 1) rmsnorm_backward_kernel(const rmsnorm_call call) {
  __shared__ threads_of_row::shared room;
  threads_of_row group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const int64_t at = r * call.cols;
    const float *x = call.x + at, *dy = call.dy + at;
    const double scale = inverse_rms(group, x, call);
    if (threadIdx.x == 0) call.workspace[r] = scale;
    double mean[1] = {};
    for (int64_t i = threadIdx.x; i < call.cols; i += row_threads)
      mean[0] += double(dy[i]) * double(call.weight[i]) * (double(x[i]) * scale);
    group.sum(mean);
    mean[0] /= double(call.cols);
    for (int64_t i = threadIdx.x; i < call.cols; i += row_threads) {
      const double g = double(dy[i]) * double(call.weight[i]);
      const float dx = float((g - double(x[i]) * scale * mean[0]) * scale);
      call.dx[at + i] = call.dsum == nullptr ? dx : dx + call.dsum[at + i];
    }
  }
}

__global__ void __launch_bounds__(tile_cols* tile_rows, 1) rmsnorm_dweight_kernel(const rmsnorm_call call) {
  __shared__ double sums[tile_rows][tile_cols];
  const int lane = int(threadIdx.x) % tile_cols, part = int(threadIdx.x) / tile_cols;
  for (int64_t first = int64_t(blockIdx.x) * tile_cols; first < call.cols;
       first += int64_t(gridDim.x) * tile_cols) {
    const int64_t col = first + lane;
    double sum = 0;
    if (col < call.cols) {
      for (int64_t r = part; r < call.rows; r += tile_rows)
        sum +=
            double(call.dy[r * call.cols + col]) * (double(call.x[r * call.cols + col]) * call.workspace[r]);
    }
    sums[part][lane] = sum;
    __syncthreads();
    if (part == 0 && col < call.cols) {
      for (int k = 1; k < tile_rows; ++k) sum += sums[k][lane];
      call.dweight[col] = float(sum);
    }
    __syncthreads();
  }
}

}  // namespace

pc_status rmsnorm_forward(pc_queue& queue, const rmsnorm_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  return launch(queue, {call.rows, row_threads}, rmsnorm_forward_kernel, call);
}

pc_status rmsnorm_backward(pc_queue& queue, const rmsnorm_call& call) {
  if (call.cols == 0) return PC_OK;
  if (call.rows > 0) {
    if (pc_status status = launch(queue, {call.rows, row_threads}, rmsnorm_backward_kernel, call))
      return status;
  }
  return launch(queue, {divide_up(call.cols, tile_cols), tile_cols * tile_rows}, rmsnorm_dweight_kernel,
                call);
}

// Each row's scale.
int64_t rmsnorm_workspace(const rmsnorm_call& call) { return call.rows * int64_t(sizeof(double)); }

}  // namespace cuda
}  // namespace polycom
