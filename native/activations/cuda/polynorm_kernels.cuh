// PolyNorm's kernels over rows in registers: a row is read once, and kept there between the sums and the output. A block
// takes it, or some lanes of a warp. Each kernel folds its row's sums itself, as the others do: a function that also
// says whether the row was done in double costs a tenth more registers (sm_90).
#pragma once
#include "activations/mapping.h"
#include "polynorm_row.cuh"

namespace polycom {
namespace cuda {

constexpr int warp_threads = 128;  // of a block, where lanes of a warp take a row
constexpr int most_block_warps = 16;
// Such blocks that a multiprocessor is to hold: they leave a thread 128 registers, or 168 where it needs more.
template <int R, bool Gated>
constexpr int warp_residency = Gated || R > 3 ? 3 : 4;

// Which slots of a row a thread has: `mine` of them, the first and others `step` apart, as far as there are `left`.
// More than half of `Most` where a block takes the row.
template <bool Warp, int Most>
struct slot_places {
  int first, mine, step, left;
  int64_t step_bytes;

  template <class Group>
  __device__ __forceinline__ slot_places(const Group& group, int slots, int of_row)
      : first(group.rank()),
        mine(slots),
        step(group.size()),
        left(of_row - first),
        step_bytes(int64_t(step) * slot_bytes) {
    settle(step_bytes);
  }

  __device__ __forceinline__ bool end_at(int s) const { return s > (Warp ? 0 : Most / 2) && s >= mine; }
  // A thread's first slot of a row, and the next.
  template <class S, class T>
  __device__ __forceinline__ S* first_of(T* row) const {
    return reinterpret_cast<S*>(row) + first;
  }
  template <class S>
  __device__ __forceinline__ S* after(S* slot) const {
    using byte = std::conditional_t<std::is_const_v<S>, const char, char>;
    return reinterpret_cast<S*>(reinterpret_cast<byte*>(slot) + step_bytes);
  }

  // The slots of a row, and zeros where `past` says that there are no more.
  template <class T, int E>
  __device__ __forceinline__ void load(const T* row, int past, packed<T, E> (&to)[Most]) const {
    const auto* from = first_of<const packed<T, E>>(row);
#pragma unroll
    for (int s = 0; s < Most; ++s, from = after(from)) {
      if (end_at(s)) break;
      memset(&to[s], 0, sizeof to[s]);
      if (s * step < past) to[s] = load_whole(from);
    }
  }
};

// A thread has `slots` of the row's, at most Slots. Without a gate the next row is on its way while one is worked on. Where
// one row of a warp leaves float's range, all of the warp's are done in double.
template <int R, class T, bool Gated, bool Warp, int Slots>
__global__ void __launch_bounds__(Warp ? warp_threads : block_threads(mapping_pass(Gated, false)),
                                  Warp ? warp_residency<R, Gated> : 1)
    polynorm_forward_kernel(const polynorm_call call, int slots, int lanes) {
  using formula = polynorm<R>;
  using row_threads = row_group<Warp, R, most_block_warps>;
  constexpr int E = slot_elements<T, true>;
  constexpr bool ahead = !Gated;
  __shared__ typename row_threads::shared room;
  row_threads group(room, lanes);
  const slot_places<Warp, Slots> at(group, slots, int(call.cols) / E);
  float weight[R];
#pragma unroll
  for (int p = 0; p < R; ++p) weight[p] = call.weight[p];
  const float bias = *call.bias;
  const int64_t step = int64_t(gridDim.x) * group.count();
  int64_t r = int64_t(blockIdx.x) * group.count() + group.index();
  const auto past_of = [&](int64_t row) { return row < call.rows ? at.left : 0; };
  packed<T, E> next[Slots];
  if (ahead) at.load(call.x.template row<const T>(r), past_of(r), next);
  for (; r - group.index_in_warp() < call.rows; r += step) {
    const row_of<T, Gated> row(call, r);
    const bool is_row = !Warp || r < call.rows;
    const int past = is_row ? at.left : 0;
    packed<T, E> up[Slots];
    if (!ahead) at.load(row.x, past, next);
    if constexpr (Gated) at.load(row.up, past, up);
    float x[Slots][E], sums[R] = {};
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (at.end_at(s)) break;
#pragma unroll
      for (int i = 0; i < E; ++i) {
        x[s][i] = next[s][i];
        settle(x[s][i]);
        formula::add_moments(x[s][i], sums);
      }
    }
    if (ahead) at.load(call.x.template row<const T>(r + step), past_of(r + step), next);
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse;
    if (group.any(is_row && formula::leaves_float(sums, call.epsilon))) {
      group.take_part(is_row);
      forward_row_in_double<R>(group, row, call, sums);
      group.take_part(true);
      continue;
    }
    const auto folded = formula::template fold_forward<float>(sums, call.epsilon, weight, bias);
    auto* to = at.template first_of<packed<T, E>>(row.out);
#pragma unroll
    for (int s = 0; s < Slots; ++s, to = at.after(to)) {
      if (at.end_at(s)) break;
      float y[E];
#pragma unroll
      for (int i = 0; i < E; ++i) {
        y[i] = formula::forward(x[s][i], folded);
        if constexpr (Gated) y[i] *= up[s][i];
      }
      if (s * at.step < past) store_whole(to, packed<T, E>::of(y));
    }
  }
}

template <int R, class T, bool Gated, bool Warp, int Slots>
__global__ void __launch_bounds__(Warp ? warp_threads : block_threads(mapping_pass(Gated, true)),
                                  Warp ? warp_residency<R, Gated> : 2)
    polynorm_backward_kernel(const polynorm_call call, int slots, int lanes, unsigned* ticket) {
  using formula = polynorm<R>;
  using row_threads = row_group<Warp, formula::backward_sums, most_block_warps / 2>;
  constexpr int E = slot_elements<T, true>;
  __shared__ typename row_threads::shared room;
  row_threads group(room, lanes);
  const slot_places<Warp, Slots> at(group, slots, int(call.cols) / E);
  group_gradients<R, Warp> totals(group.rank());
  const int64_t step = int64_t(gridDim.x) * group.count();
  int64_t r = int64_t(blockIdx.x) * group.count() + group.index();
  for (; r - group.index_in_warp() < call.rows; r += step) {
    const row_of<T, Gated> row(call, r);
    const bool is_row = !Warp || r < call.rows;
    const int past = is_row ? at.left : 0;
    packed<T, E> x[Slots], up[Slots], dy[Slots];
    at.load(row.x, past, x);
    at.load(row.dy, past, dy);
    if constexpr (Gated) at.load(row.up, past, up);
    float sums[formula::backward_sums] = {};
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (at.end_at(s)) break;
#pragma unroll
      for (int i = 0; i < E; ++i) {
        formula::add_moments_and_products(x[s][i], gradient<Gated>(dy[s], up[s], i), sums);
      }
    }
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse;
    if (group.any(is_row && formula::backward_leaves_float(sums, call.epsilon))) {
      double gradients[R + 1];
      group.take_part(is_row);
      backward_row_in_double<R>(group, row, call, sums, gradients);
      group.take_part(true);
      if (is_row) totals.add(gradients);
      continue;
    }
    float gradients[R + 1];
    const auto folded = fold<R, Gated>(sums, call, gradients);
    if (is_row) totals.add(gradients);
    if constexpr (Gated) forget_conversions(x, call);
    auto* dx = at.template first_of<packed<T, E>>(row.out);
    auto* dup = at.template first_of<packed<T, E>>(Gated ? row.dup : row.out);
#pragma unroll
    for (int s = 0; s < Slots; ++s, dx = at.after(dx), dup = at.after(dup)) {
      if (at.end_at(s)) break;
      packed<T, E> dup_slot;
      const packed<T, E> dx_slot = backward_slot<R>(x[s], up[s], dy[s], folded, &dup_slot);
      if (s * at.step < past) {
        store_whole(dx, dx_slot);
        if constexpr (Gated) store_whole(dup, dup_slot);
      }
    }
  }
  totals.finish(call, ticket);
}

}  // namespace cuda
}  // namespace polycom
