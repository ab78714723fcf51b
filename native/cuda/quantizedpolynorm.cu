// PolyNorm by groups of rows on CUDA, quantised to 8 bits. Where the offsets do not hold, which the CPU
// refuses, all outputs are NaN.
#include "groupedpolynorm.cuh"
#include "math/float8.h"

namespace polycom {
namespace cuda {
namespace {

constexpr uint8_t e4m3_nan = 0x7f;

// A row's scale out of its largest value: 1 where float cannot divide by it.
__device__ __forceinline__ float scale_for(const groupedpolynorm_call& call, float largest) {
  if (call.has_scale) return *call.scale;
  const float scale = largest / e4m3::largest;
  return scale == 0 ? 1.0f : scale;
}

__device__ __forceinline__ uint8_t narrow(float value, float scale) {
  return uint8_t(e4m3::narrow<uint32_t>(value / scale));
}

__device__ __forceinline__ float larger(float value, float most) {
  return fabsf(value) > most ? fabsf(value) : most;
}

template <int E>
__device__ __forceinline__ void store_bytes(uint8_t* row, int64_t at, int64_t cols,
                                            const packed<uint8_t, E>& bytes) {
  if (at + E <= cols && uintptr_t(row + at) % E == 0) {
    *reinterpret_cast<packed<uint8_t, E>*>(row + at) = bytes;
    return;
  }
#pragma unroll
  for (int i = 0; i < E; ++i) {
    if (at + i < cols) row[at + i] = bytes.element[i];
  }
}

template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ void quantize_in_double(Group& group, const grouped_row<T, Gated>& row,
                                                   const groupedpolynorm_call& call, int64_t r,
                                                   const group_coefficients<R>& coefficients, double scale) {
  const auto folded = fold_in_double<R>(group, row, call, coefficients, scale);
  const auto value = [&](int64_t at) {
    const double y = polynorm<R>::forward(row.value_in_double(at) * scale, folded);
    return float(Gated ? y * double(float(row.up[at])) : y);
  };
  float most = 0;
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) most = larger(value(at), most);
  const float divisor = scale_for(call, group.largest(most));
  uint8_t* const y = call.out.row<uint8_t>(r);
#pragma unroll 1
  for (int64_t at = group.rank(); at < call.cols; at += group.size()) y[at] = narrow(value(at), divisor);
  if (group.rank() == 0) call.scales[r] = divisor;
}

template <int R, class T, bool Gated, class Group>
__device__ __forceinline__ void quantize(Group& group, const groupedpolynorm_call& call, int64_t r,
                                         int64_t of) {
  using formula = polynorm<R>;
  constexpr int E = slot_elements<T, true>;
  const grouped_row<T, Gated> row(call, r);
  const group_coefficients<R> coefficients(call, of);
  float sums[R];
  moments_of<R>(group, row, call, sums);
  if (formula::leaves_float(sums, call.epsilon)) {
    const double scale = formula::scale_into_double(sums, call.epsilon);
    return quantize_in_double<R>(group, row, call, r, coefficients, scale);
  }
  const auto folded =
      formula::template fold_forward<float>(sums, call.epsilon, coefficients.weight, coefficients.bias);
  // visit(at, values) for each slot of this thread's.
  const auto each = [&](auto visit) {
    for (int64_t at = int64_t(group.rank()) * E; at < call.cols; at += int64_t(group.size()) * E) {
      const auto x = row.x.load(at), up = row.load_up(at);
      float values[E];
#pragma unroll
      for (int i = 0; i < E; ++i) {
        const float value = formula::forward(row.clamped(row.shifted(x[i], at + i)), folded);
        values[i] = Gated ? value * up[i] : value;
      }
      visit(at, values);
    }
  };
  float most = 0;
  if (!call.has_scale) {
    each([&](int64_t at, const float* values) {
#pragma unroll
      for (int i = 0; i < E; ++i) {
        if (at + i < call.cols) most = larger(values[i], most);
      }
    });
    most = group.largest(most);
  }
  const float divisor = scale_for(call, most);
  uint8_t* const y = call.out.row<uint8_t>(r);
  each([&](int64_t at, const float* values) {
    packed<uint8_t, E> bytes;
#pragma unroll
    for (int i = 0; i < E; ++i) bytes.element[i] = narrow(values[i], divisor);
    store_bytes<E>(y, at, call.cols, bytes);
  });
  if (group.rank() == 0) call.scales[r] = divisor;
}

template <int R, class T, bool Gated>
__global__ void __launch_bounds__(block_row_threads, 1)
    quantizedpolynorm_kernel(const groupedpolynorm_call call) {
  using group_t = row_group<false, R>;
  __shared__ typename group_t::shared room;
  group_t group(room);
  const bool hold = offsets_hold(group, call);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const int64_t of = hold ? group_of(call, r) : -1;
    if (of >= 0 && call.cols > 0) {
      quantize<R, T, Gated>(group, call, r, of);
      continue;
    }
    for (int64_t at = group.rank(); at < call.cols; at += group.size())
      call.out.row<uint8_t>(r)[at] = hold ? uint8_t(0) : e4m3_nan;
    if (group.rank() == 0) call.scales[r] = hold ? scale_for(call, 0) : NAN;
  }
}

template <bool Gated>
pc_status quantized_of(const pc_queue& queue, const groupedpolynorm_call& call) {
  if (call.rows == 0) return PC_OK;
  const launch_shape shape = a_block_a_row(call);
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    return launch(queue, shape, quantizedpolynorm_kernel<R, T, Gated>, call);
  });
}

}  // namespace

pc_status quantizedpolynorm(pc_queue& queue, const groupedpolynorm_call& call) {
  return quantized_of<false>(queue, call);
}

pc_status quantizedpolynormglu(pc_queue& queue, const groupedpolynorm_call& call) {
  return quantized_of<true>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
