// RMSNorm backward on CUDA. The gradient of the weight is summed down the columns in chunks of rows, by the threads that
// hold these; where rows are read twice, by a kernel of its own. The chunks are by the shape, and so the order.
#include "cuda.cuh"

namespace polycom {
namespace cuda {
namespace {

// Rows whose columns are summed by one block.
struct row_chunks {
  int64_t count, rows;

  __device__ __forceinline__ int64_t past(int64_t chunk, int64_t of_rows) const {
    return (chunk + 1) * rows < of_rows ? (chunk + 1) * rows : of_rows;
  }
};

// As many chunks as blocks fill a GPU: but their sums should be few beside the rows, and a thread adds up only so many
// rows in float. `at_once`: the rows that a block takes at a time.
row_chunks chunks_of(const rmsnorm_call& call, int64_t at_once) {
  constexpr int64_t most_chunks = 512, least_rows = 8, most_rounds = 128;
  const int64_t rounds = divide_up(call.rows, at_once * most_chunks);
  const int64_t rows = at_once * (rounds < most_rounds ? rounds : most_rounds);
  const int64_t taken = rows < least_rows ? least_rows : rows;
  return {divide_up(call.rows, taken), taken};
}

// dy n of one column, summed over a chunk in double.
template <class T>
__device__ double column_in_double(const rmsnorm_call& call, const row_scale* scales, int64_t first,
                                   int64_t past, int64_t col) {
  double sum = 0;
#pragma unroll 1
  for (int64_t r = first; r < past; ++r) {
    const backward_row<T> row(call, r);
    sum += double(float(row.dy[col])) * scales[r].normal(double(float(row.x[col])));
  }
  return sum;
}

// --- the row in registers ---

template <class T>
__global__ void __launch_bounds__(held_threads, 1)
    rmsnorm_backward_kernel(const rmsnorm_call call, const held_plan plan, const row_chunks chunks,
                            row_scale* scales, double* partials) {
  constexpr int E = slot_elements<T, true>;
  using slot = packed<T, E>;
  __shared__ row_lanes<2>::shared room;
  row_lanes<2> group(room, plan);
  float* const shares = static_cast<float*>(dynamic_shared());
  const int first = group.rank() * E, stride = group.size() * E;
  const float inverse_cols = reciprocal(float(call.cols));
  for (int64_t chunk = blockIdx.x; chunk < chunks.count; chunk += gridDim.x) {
    const int64_t first_row = chunk * chunks.rows, past = chunks.past(chunk, call.rows);
    float dweight[held_slots][E] = {};
    for (int64_t base = first_row; base < past; base += group.count()) {
      const int64_t r = base + group.index();
      const int cols = r < past ? int(call.cols) : 0;
      const backward_row<T> row(call, r);
      slot x[held_slots], dy[held_slots];
      float sums[2] = {};
#pragma unroll
      for (int s = 0; s < held_slots; ++s) {
        if (s >= plan.slots) break;
        x[s] = load_even<E>(row.x, first + s * stride, cols);
        dy[s] = load_even<E>(row.dy, first + s * stride, cols);
      }
#pragma unroll
      for (int s = 0; s < held_slots; ++s) {
        const int at = first + s * stride;
        if (s >= plan.slots || at >= cols) break;
        float weight[E];
        load_floats(call.weight + at, weight);
#pragma unroll
        for (int i = 0; i < E; ++i) {
          sums[0] += x[s][i] * x[s][i];
          sums[1] += dy[s][i] * weight[i] * x[s][i];
        }
      }
      group.sum(sums);
      const backward_means means(sums, inverse_cols, call.epsilon);
      if (group.any(means.leave_float())) {
        const row_scale scale = backward_in_double(group, row, call, cols);
        if (cols > 0 && group.rank() == 0) scales[r] = scale;
        // What is no number is summed again, in double.
#pragma unroll
        for (int s = 0; s < held_slots; ++s) {
#pragma unroll
          for (int i = 0; i < E; ++i) dweight[s][i] = NAN;
        }
        continue;
      }
      const float scale = reciprocal_square_root(means.mean), along = means.product * scale;
      if (cols > 0 && group.rank() == 0) scales[r] = {1.0f, scale};
#pragma unroll
      for (int s = 0; s < held_slots; ++s) {
        const int at = first + s * stride;
        if (s >= plan.slots || at >= cols) break;
        float weight[E], dx[E];
        load_floats(call.weight + at, weight);
        slot more{};
        if (row.dsum != nullptr) more = load_even<E>(row.dsum, at, cols);
#pragma unroll
        for (int i = 0; i < E; ++i) {
          const float n = x[s][i] * scale;
          dweight[s][i] += dy[s][i] * n;
          dx[i] = slope(n, dy[s][i] * weight[i], scale, along) + more[i];
        }
        store_even<E>(row.dx, at, cols, slot::of(dx));
      }
    }
    const int cols = int(call.cols);
#pragma unroll
    for (int s = 0; s < held_slots; ++s) {
      const int at = first + s * stride;
      if (s >= plan.slots || at >= cols) break;
#pragma unroll
      for (int i = 0; i < E; ++i) shares[group.index() * cols + at + i] = dweight[s][i];
    }
    __syncthreads();
    for (int col = int(threadIdx.x); col < cols; col += int(blockDim.x)) {
      double sum = 0;
      for (int share = 0; share < group.count(); ++share) sum += double(shares[share * cols + col]);
      if (!(sum - sum == 0)) sum = column_in_double<T>(call, scales, first_row, past, col);
      partials[chunk * cols + col] = sum;
    }
    __syncthreads();
  }
}

// --- the row read twice ---

template <class T>
__global__ void __launch_bounds__(block_row_threads, 4)
    rmsnorm_backward_twice_kernel(const rmsnorm_call call, row_scale* scales) {
  constexpr int E = slot_elements<T, true>;
  using slot = packed<T, E>;
  using group_t = row_group<false, 2>;
  __shared__ group_t::shared room;
  group_t group(room);
  const parameter_row weight(call.weight, call.cols);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const backward_row<T> row(call, r);
    const slotted_row<const T> x(row.x, call.cols), dy(row.dy, call.cols), dsum(row.dsum, call.cols);
    struct slots {
      slot x, dy;
    };
    float sums[2];
    sum_slots<2, E>(
        group, call.cols, sums, [&](int64_t at) { return slots{x.load(at), dy.load(at)}; },
        [&](int64_t at, const slots& held, float* part) {
          float w[E];
          weight.load(at, w);
#pragma unroll
          for (int i = 0; i < E; ++i) {
            part[0] += held.x[i] * held.x[i];
            part[1] += held.dy[i] * w[i] * held.x[i];
          }
        });
    const backward_means means(sums, 1.0f / float(call.cols), call.epsilon);
    if (means.leave_float()) {
      const row_scale scale = backward_in_double(group, row, call, call.cols);
      if (threadIdx.x == 0) scales[r] = scale;
      continue;
    }
    const float scale = reciprocal_square_root(means.mean), along = means.product * scale;
    if (threadIdx.x == 0) scales[r] = {1.0f, scale};
    const slotted_row<T> dx_row(row.dx, call.cols);
    for_each_slot<E>(group, call.cols, [&](int64_t at) {
      const slot v = x.load(at), g = dy.load(at), more = row.dsum == nullptr ? slot{} : dsum.load(at);
      float w[E], dx[E];
      weight.load(at, w);
#pragma unroll
      for (int i = 0; i < E; ++i) dx[i] = slope(v[i] * scale, g[i] * w[i], scale, along) + more[i];
      dx_row.store(at, slot::of(dx));
    });
  }
}

constexpr int lanes_of_tile = warp_size, shares_of_rows = 8;  // of the threads that sum down columns

// A block takes a chunk of rows, of `lanes_of_tile` slots of columns.
template <class T>
__global__ void __launch_bounds__(lanes_of_tile* shares_of_rows, 3)
    rmsnorm_dweight_kernel(const rmsnorm_call call, const row_chunks chunks, const row_scale* scales,
                           double* partials, int64_t tiles) {
  constexpr int E = slot_elements<T, true>, width = lanes_of_tile * E;
  __shared__ float shares[shares_of_rows][width];
  const int lane = int(threadIdx.x) % lanes_of_tile, share = int(threadIdx.x) / lanes_of_tile;
  for (int64_t unit = blockIdx.x; unit < tiles * chunks.count; unit += gridDim.x) {
    const int64_t chunk = unit / tiles, first_col = unit % tiles * width, at = first_col + lane * E;
    const int64_t first_row = chunk * chunks.rows, past = chunks.past(chunk, call.rows);
    float mine[E] = {};
#pragma unroll 4
    for (int64_t r = first_row + share; r < past; r += shares_of_rows) {
      const backward_row<T> row(call, r);
      const auto x = slotted_row<const T>(row.x, call.cols).load(at),
                 dy = slotted_row<const T>(row.dy, call.cols).load(at);
      const row_scale scale = scales[r];
#pragma unroll
      for (int i = 0; i < E; ++i) mine[i] += dy[i] * scale.normal(x[i]);
    }
#pragma unroll
    for (int i = 0; i < E; ++i) shares[share][lane * E + i] = mine[i];
    __syncthreads();
    const int64_t col = first_col + threadIdx.x;
    if (threadIdx.x < width && col < call.cols) {
      double sum = 0;
      for (int k = 0; k < shares_of_rows; ++k) sum += double(shares[k][threadIdx.x]);
      if (!(sum - sum == 0)) sum = column_in_double<T>(call, scales, first_row, past, col);
      partials[chunk * call.cols + col] = sum;
    }
    __syncthreads();
  }
}

// --- both ---

constexpr int shares_of_chunks = 32;

// The chunks' sums, added up.
__global__ void __launch_bounds__(lanes_of_tile* shares_of_chunks, 1)
    rmsnorm_dweight_total_kernel(const double* partials, int64_t chunks, int64_t cols, float* dweight) {
  __shared__ double sums[shares_of_chunks][lanes_of_tile];
  const int lane = int(threadIdx.x) % lanes_of_tile, share = int(threadIdx.x) / lanes_of_tile;
  for (int64_t first = int64_t(blockIdx.x) * lanes_of_tile; first < cols;
       first += int64_t(gridDim.x) * lanes_of_tile) {
    const int64_t col = first + lane;
    double sum = 0;
    if (col < cols) {
#pragma unroll 4
      for (int64_t chunk = share; chunk < chunks; chunk += shares_of_chunks)
        sum += partials[chunk * cols + col];
    }
    sums[share][lane] = sum;
    __syncthreads();
    if (share == 0 && col < cols) {
      for (int k = 1; k < shares_of_chunks; ++k) sum += sums[k][lane];
      dweight[col] = float(sum);
    }
    __syncthreads();
  }
}

// dx, each row's scale and the chunks' sums.
template <class T>
pc_status rows_backward(const pc_queue& queue, const rmsnorm_call& call, const held_plan& plan,
                        const row_chunks& chunks, row_scale* scales, double* partials) {
  constexpr int E = slot_elements<T, true>;
  if (plan.rows > 0) {
    const int64_t shares = plan.rows * call.cols * int64_t(sizeof(float));
    return launch(queue, {chunks.count, plan.threads, shares}, rmsnorm_backward_kernel<T>, call, plan, chunks,
                  scales, partials);
  }
  if (pc_status status = launch(queue, a_block_a_row(call.rows, call.cols, sizeof(T)),
                                rmsnorm_backward_twice_kernel<T>, call, scales))
    return status;
  const int64_t tiles = divide_up(call.cols, lanes_of_tile * E);
  const row_scale* of_rows = scales;
  return launch(queue, {tiles * chunks.count, lanes_of_tile * shares_of_rows}, rmsnorm_dweight_kernel<T>,
                call, chunks, of_rows, partials, tiles);
}

}  // namespace

pc_status rmsnorm_backward(pc_queue& queue, const rmsnorm_call& call) {
  if (call.cols == 0) return PC_OK;
  auto* scales = reinterpret_cast<row_scale*>(call.workspace);
  double* partials = call.workspace + call.rows;
  row_chunks chunks{0, 0};
  if (call.rows > 0) {
    const pc_status status = with_storage(call.dtype, [&](auto storage) {
      using T = typename decltype(storage)::type;
      const held_plan plan = plan_of<T>(call);
      chunks = chunks_of(call, plan.rows > 0 ? plan.rows : shares_of_rows);
      return rows_backward<T>(queue, call, plan, chunks, scales, partials);
    });
    if (status != PC_OK) return status;
  }
  const double* sums = partials;
  return launch(queue, {divide_up(call.cols, lanes_of_tile), lanes_of_tile * shares_of_chunks},
                rmsnorm_dweight_total_kernel, sums, chunks.count, call.cols, call.dweight);
}

// Each row's scale, and each chunk's sums: of most chunks, which a block has that takes one row at a time.
int64_t rmsnorm_workspace(const rmsnorm_call& call) {
  static_assert(sizeof(row_scale) == sizeof(double), "the sums lie behind the scales");
  const int64_t chunks = call.rows == 0 ? 0 : chunks_of(call, 1).count;
  return (call.rows + chunks * call.cols) * int64_t(sizeof(double));
}

}  // namespace cuda
}  // namespace polycom
