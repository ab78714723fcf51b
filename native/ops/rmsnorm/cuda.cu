// RMSNorm on CUDA: native/ops/rmsnorm/cpu.cpp has the formulas. A block takes a row, in float; what leaves float's range
// is done again, scaled or in double. The gradient of the weight is summed down the columns, in chunks of rows that
// share the GPU, in an order that the shape fixes.
#include "call.h"
#include "math/portable.h"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {
namespace {

// Of f32 alone, so far.
PC_MATH const float* floats(const void* data) { return static_cast<const float*>(data); }
PC_MATH float* floats(void* data) { return static_cast<float*>(data); }

using group_of_row = row_group<false, 1>;
using row_in = slotted_row<const float>;
using row_out = slotted_row<float>;
constexpr int E = row_in::E;
using slot_t = packed<float, E>;

struct slot_pair {
  slot_t first, second;
};

// 1 / rms of a row in two factors, so that neither leaves float's range: n = (x first) second.
struct row_scale {
  float first, second;

  template <class D>
  __device__ __forceinline__ D normal(D x) const {
    return x * D(first) * D(second);
  }
};

constexpr float shrink = 0x1p-96f, stretch = 0x1p96f;

// Of a row whose squares have this sum; sum_scaled(factor) takes that of (x factor)^2 anew.
template <class Sum>
__device__ __forceinline__ row_scale scale_of(float squares, const rmsnorm_call& call, Sum sum_scaled) {
  const float count = float(call.cols);
  float mean = squares / count, factor = 1.0f, epsilon = call.epsilon;
  if (!(mean <= 1e30f) || mean + epsilon < 1e-30f) {
    factor = mean < 1.0f ? stretch : shrink;
    mean = sum_scaled(factor) / count;
    epsilon = float(double(epsilon) * double(factor) * double(factor));
  }
  return {factor, reciprocal_square_root(mean + epsilon)};
}

__device__ __forceinline__ float sum_of_squares(group_of_row& group, const row_in& x, float factor) {
  float sum[1];
  sum_slots<1, E>(
      group, x.cols, sum, [&](int64_t at) { return x.load(at); },
      [&](int64_t, const slot_t& slot, float* squares) {
#pragma unroll
        for (int i = 0; i < E; ++i) squares[0] += (slot[i] * factor) * (slot[i] * factor);
      });
  return sum[0];
}

// body(at) for each slot of this thread's.
template <class Body>
__device__ __forceinline__ void for_each_slot(const group_of_row& group, int64_t cols, Body body) {
  for (int64_t at = int64_t(group.rank()) * E; at < cols; at += int64_t(group.size()) * E) body(at);
}

template <bool Adds>
__global__ void __launch_bounds__(block_row_threads, 4) rmsnorm_forward_kernel(const rmsnorm_call call) {
  __shared__ group_of_row::shared room;
  group_of_row group(room);
  const row_in weight(call.weight, call.cols);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const int64_t at_row = r * call.cols;
    const row_in x(floats(call.x) + at_row, call.cols);
    const row_out sum(Adds ? floats(call.sum) + at_row : nullptr, call.cols);
    float squares;
    if constexpr (Adds) {
      // Each thread reads back only what it wrote itself.
      const row_in residual(floats(call.residual) + at_row, call.cols);
      float part[1];
      sum_slots<1, E>(
          group, call.cols, part, [&](int64_t at) { return slot_pair{x.load(at), residual.load(at)}; },
          [&](int64_t at, const slot_pair& of, float* total) {
            float v[E];
#pragma unroll
            for (int i = 0; i < E; ++i) {
              v[i] = of.first[i] + of.second[i];
              total[0] += v[i] * v[i];
            }
            sum.store(at, slot_t::of(v));
          });
      squares = part[0];
    } else {
      squares = sum_of_squares(group, x, 1.0f);
    }
    const row_in s(Adds ? sum.data : x.data, call.cols);
    const row_scale scale =
        scale_of(squares, call, [&](float factor) { return sum_of_squares(group, s, factor); });
    const row_out y(floats(call.y) + at_row, call.cols);
    for_each_slot(group, call.cols, [&](int64_t at) {
      const auto v = s.load(at), w = weight.load(at);
      float of[E];
#pragma unroll
      for (int i = 0; i < E; ++i) of[i] = scale.normal(v[i]) * w[i];
      y.store(at, slot_t::of(of));
    });
  }
}

// What a row's backward pass reads and writes.
struct backward_row {
  row_in x, dy, weight, dsum;
  row_out dx;
  row_scale scale;
};

// dx, in D; gives whether D carried it.
template <class D>
__device__ __forceinline__ bool row_gradient(group_of_row& group, const backward_row& row) {
  D products[1];
  sum_slots<1, E>(
      group, row.x.cols, products, [&](int64_t at) { return slot_pair{row.x.load(at), row.dy.load(at)}; },
      [&](int64_t at, const slot_pair& of, D* sum) {
        const slot_t w = row.weight.load(at);
#pragma unroll
        for (int i = 0; i < E; ++i) sum[0] += D(of.second[i]) * D(w[i]) * row.scale.normal(D(of.first[i]));
      });
  const D mean = products[0] / D(row.x.cols);
  if (!(mean - mean == 0) && sizeof(D) == sizeof(float)) return false;
  for_each_slot(group, row.x.cols, [&](int64_t at) {
    const auto v = row.x.load(at), g = row.dy.load(at), w = row.weight.load(at);
    const slot_t more = row.dsum.data == nullptr ? slot_t{} : row.dsum.load(at);
    float of[E];
#pragma unroll
    for (int i = 0; i < E; ++i) {
      const D past_mean = D(g[i]) * D(w[i]) - row.scale.normal(D(v[i])) * mean;
      of[i] = float(row.scale.normal(past_mean)) + more[i];
    }
    row.dx.store(at, slot_t::of(of));
  });
  return true;
}

__global__ void __launch_bounds__(block_row_threads, 4)
    rmsnorm_backward_kernel(const rmsnorm_call call, row_scale* scales) {
  __shared__ group_of_row::shared room;
  group_of_row group(room);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const int64_t at = r * call.cols;
    const row_in x(floats(call.x) + at, call.cols);
    const row_scale scale = scale_of(sum_of_squares(group, x, 1.0f), call,
                                     [&](float factor) { return sum_of_squares(group, x, factor); });
    if (threadIdx.x == 0) scales[r] = scale;
    const row_in dsum(call.dsum == nullptr ? nullptr : floats(call.dsum) + at, call.cols);
    const backward_row row{x,    {floats(call.dy) + at, call.cols}, {call.weight, call.cols},
                           dsum, {floats(call.dx) + at, call.cols}, scale};
    if (!row_gradient<float>(group, row)) row_gradient<double>(group, row);
  }
}

constexpr int lanes_of_tile = warp_size,
              parts = 8;  // of the threads that sum down columns: slots, and shares of the rows
constexpr int64_t chunk_rows = 16 * parts;

// dy n summed over a share of a chunk's rows, in D.
template <class D>
__device__ __forceinline__ void sum_down(const rmsnorm_call& call, const row_scale* scales, int64_t first,
                                         int64_t past, int64_t at, D (&sums)[E]) {
#pragma unroll
  for (int i = 0; i < E; ++i) sums[i] = 0;
#pragma unroll 4
  for (int64_t r = first; r < past; r += parts) {
    const row_in x(floats(call.x) + r * call.cols, call.cols), dy(floats(call.dy) + r * call.cols, call.cols);
    const auto v = x.load(at), g = dy.load(at);
    const row_scale scale = scales[r];
#pragma unroll
    for (int i = 0; i < E; ++i) sums[i] += D(g[i]) * scale.normal(D(v[i]));
  }
}

// A block takes a chunk of rows, of `lanes_of_tile` slots of columns.
__global__ void __launch_bounds__(lanes_of_tile* parts, 4)
    rmsnorm_dweight_kernel(const rmsnorm_call call, const row_scale* scales, double* partials, int64_t tiles,
                           int64_t work) {
  __shared__ double sums[parts][lanes_of_tile * E];
  const int lane = int(threadIdx.x) % lanes_of_tile, part = int(threadIdx.x) / lanes_of_tile;
  for (int64_t unit = blockIdx.x; unit < work; unit += gridDim.x) {
    const int64_t chunk = unit / tiles, first_col = unit % tiles * (lanes_of_tile * E),
                  at = first_col + lane * E;
    const int64_t first = chunk * chunk_rows,
                  past = first + chunk_rows < call.rows ? first + chunk_rows : call.rows;
    if (at < call.cols) {
      float mine[E];
      sum_down(call, scales, first + part, past, at, mine);
      bool finite = true;
#pragma unroll
      for (int i = 0; i < E; ++i) {
        finite = finite && mine[i] - mine[i] == 0;
        sums[part][lane * E + i] = double(mine[i]);
      }
      if (!finite) {
        double again[E];
        sum_down(call, scales, first + part, past, at, again);
#pragma unroll
        for (int i = 0; i < E; ++i) sums[part][lane * E + i] = again[i];
      }
    }
    __syncthreads();
    const int64_t col = first_col + threadIdx.x;
    if (threadIdx.x < lanes_of_tile * E && col < call.cols) {
      double sum = 0;
      for (int k = 0; k < parts; ++k) sum += sums[k][threadIdx.x];
      partials[chunk * call.cols + col] = sum;
    }
    __syncthreads();
  }
}

// The chunks' sums, added up.
__global__ void __launch_bounds__(lanes_of_tile* parts, 4)
    rmsnorm_dweight_total_kernel(const double* partials, int64_t chunks, int64_t cols, float* dweight) {
  __shared__ double sums[parts][lanes_of_tile];
  const int lane = int(threadIdx.x) % lanes_of_tile, part = int(threadIdx.x) / lanes_of_tile;
  for (int64_t first = int64_t(blockIdx.x) * lanes_of_tile; first < cols;
       first += int64_t(gridDim.x) * lanes_of_tile) {
    const int64_t col = first + lane;
    double sum = 0;
    if (col < cols) {
#pragma unroll 4
      for (int64_t chunk = part; chunk < chunks; chunk += parts) sum += partials[chunk * cols + col];
    }
    sums[part][lane] = sum;
    __syncthreads();
    if (part == 0 && col < cols) {
      for (int k = 1; k < parts; ++k) sum += sums[k][lane];
      dweight[col] = float(sum);
    }
    __syncthreads();
  }
}

int64_t chunks_of_rows(const rmsnorm_call& call) { return divide_up(call.rows, chunk_rows); }

}  // namespace

pc_status rmsnorm_forward(pc_queue& queue, const rmsnorm_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  const auto kernel = call.residual == nullptr ? rmsnorm_forward_kernel<false> : rmsnorm_forward_kernel<true>;
  return launch(queue, a_block_a_row(call.rows, call.cols, sizeof(float)), kernel, call);
}

pc_status rmsnorm_backward(pc_queue& queue, const rmsnorm_call& call) {
  if (call.cols == 0) return PC_OK;
  auto* scales = reinterpret_cast<row_scale*>(call.workspace);
  double* partials = call.workspace + call.rows;
  const int64_t chunks = chunks_of_rows(call);
  if (call.rows > 0) {
    if (pc_status status = launch(queue, a_block_a_row(call.rows, call.cols, sizeof(float)),
                                  rmsnorm_backward_kernel, call, scales))
      return status;
    const int64_t tiles = divide_up(call.cols, lanes_of_tile * E), work = tiles * chunks;
    const row_scale* of_rows = scales;
    if (pc_status status = launch(queue, {work, lanes_of_tile * parts}, rmsnorm_dweight_kernel, call, of_rows,
                                  partials, tiles, work))
      return status;
  }
  const double* sums = partials;
  return launch(queue, {divide_up(call.cols, lanes_of_tile), lanes_of_tile * parts},
                rmsnorm_dweight_total_kernel, sums, chunks, call.cols, call.dweight);
}

// Each row's scale, and each chunk's sums.
int64_t rmsnorm_workspace(const rmsnorm_call& call) {
  static_assert(sizeof(row_scale) == sizeof(double), "the sums lie behind the scales");
  return (call.rows + chunks_of_rows(call) * call.cols) * int64_t(sizeof(double));
}

}  // namespace cuda
}  // namespace polycom
