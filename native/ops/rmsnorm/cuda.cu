// RMSNorm forward on CUDA, with or without the addition before it: rows that are held in registers, and rows that a
// block reads twice.
#include "cuda.cuh"

namespace polycom {
namespace cuda {
namespace {

// As it is stored.
template <class T, int E>
__device__ __forceinline__ packed<T, E> sum_of(const packed<T, E>& a, const packed<T, E>& b) {
  float sum[E];
#pragma unroll
  for (int i = 0; i < E; ++i) sum[i] = a[i] + b[i];
  return packed<T, E>::of(sum);
}

template <class T, bool Adds>
__global__ void __launch_bounds__(held_threads, 1)
    rmsnorm_forward_kernel(const rmsnorm_call call, const held_plan plan) {
  constexpr int E = slot_elements<T, true>;
  using slot = packed<T, E>;
  __shared__ row_lanes<1>::shared room;
  row_lanes<1> group(room, plan);
  const int first = group.rank() * E, stride = group.size() * E;
  const float inverse_cols = reciprocal(float(call.cols));
  const int64_t step = int64_t(gridDim.x) * group.count();
  for (int64_t base = int64_t(blockIdx.x) * group.count(); base < call.rows; base += step) {
    const int64_t r = base + group.index();
    const int cols = r < call.rows ? int(call.cols) : 0;
    const forward_row<T, Adds> row(call, r);
    slot x[held_slots], residual[held_slots];
    float squares[1] = {};
#pragma unroll
    for (int s = 0; s < held_slots; ++s) {
      if (s >= plan.slots) break;
      x[s] = load_even<E>(row.x, first + s * stride, cols);
      if constexpr (Adds) residual[s] = load_even<E>(row.residual, first + s * stride, cols);
    }
#pragma unroll
    for (int s = 0; s < held_slots; ++s) {
      if (s >= plan.slots) break;
      if constexpr (Adds) x[s] = sum_of(x[s], residual[s]);
#pragma unroll
      for (int i = 0; i < E; ++i) squares[0] += x[s][i] * x[s][i];
    }
    group.sum(squares);
    const float mean = squares[0] * inverse_cols + call.epsilon;
    if (group.any(leaves_float(mean))) {
      forward_in_double(group, row, call, cols);
      continue;
    }
    const float scale = reciprocal_square_root(mean);
#pragma unroll
    for (int s = 0; s < held_slots; ++s) {
      const int at = first + s * stride;
      if (s >= plan.slots || at >= cols) break;
      float y[E], weight[E];
      load_floats(call.weight + at, weight);
#pragma unroll
      for (int i = 0; i < E; ++i) y[i] = x[s][i] * scale * weight[i];
      store_even<E>(row.y, at, cols, slot::of(y));
      if constexpr (Adds) store_even<E>(row.sum, at, cols, x[s]);
    }
  }
}

template <class T, bool Adds>
__global__ void __launch_bounds__(block_row_threads, 4)
    rmsnorm_forward_twice_kernel(const rmsnorm_call call) {
  constexpr int E = slot_elements<T, true>;
  using slot = packed<T, E>;
  __shared__ group_of_row::shared room;
  group_of_row group(room);
  const parameter_row weight(call.weight, call.cols);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const forward_row<T, Adds> row(call, r);
    const slotted_row<const T> x(row.x, call.cols), residual(row.residual, call.cols);
    const auto load = [&](int64_t at) {
      if constexpr (Adds) return sum_of(x.load(at), residual.load(at));
      return x.load(at);
    };
    float squares[1];
    sum_slots<1, E>(group, call.cols, squares, load, [](int64_t, const slot& held, float* sum) {
#pragma unroll
      for (int i = 0; i < E; ++i) sum[0] += held[i] * held[i];
    });
    const float mean = squares[0] / float(call.cols) + call.epsilon;
    if (leaves_float(mean)) {
      forward_in_double(group, row, call, call.cols);
      continue;
    }
    const float scale = reciprocal_square_root(mean);
    const slotted_row<T> y_row(row.y, call.cols), sum_row(row.sum, call.cols);
    for_each_slot<E>(group, call.cols, [&](int64_t at) {
      const slot held = load(at);
      float y[E], w[E];
      weight.load(at, w);
#pragma unroll
      for (int i = 0; i < E; ++i) y[i] = held[i] * scale * w[i];
      y_row.store(at, slot::of(y));
      if constexpr (Adds) sum_row.store(at, held);
    });
  }
}

template <class T, bool Adds>
pc_status forward_of(const pc_queue& queue, const rmsnorm_call& call) {
  const held_plan plan = plan_of<T>(call);
  if (plan.rows == 0) {
    const launch_shape shape = a_block_a_row(call.rows, call.cols, sizeof(T));
    return launch(queue, shape, rmsnorm_forward_twice_kernel<T, Adds>, call);
  }
  // Threads of narrow rows take several: where these lie costs as much as the rows.
  const int64_t rounds = plan.rows > 1 ? 4 : 1;
  const launch_shape shape{divide_up(call.rows, plan.rows * rounds), plan.threads};
  return launch(queue, shape, rmsnorm_forward_kernel<T, Adds>, call, plan);
}

}  // namespace

pc_status rmsnorm_forward(pc_queue& queue, const rmsnorm_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  return with_storage(call.dtype, [&](auto storage) {
    using T = typename decltype(storage)::type;
    return call.residual == nullptr ? forward_of<T, false>(queue, call) : forward_of<T, true>(queue, call);
  });
}

}  // namespace cuda
}  // namespace polycom
