// Rotary position embedding on CUDA: native/ops/rotary/cpu.cpp has the formulas. A thread takes pairs that lie side by
// side in each of several heads. A position outside the table, which the CPU refuses, gives NaN.
#include <math.h>

#include "call.h"
#include "runtime/cuda/row_slots.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;
constexpr int heads_a_thread = 2;

// How the threads of a block share the heads of all tokens: `slots` of E pairs each make a head; a token's heads are
// taken in `shares`, each by one row of threads.
struct rotary_cut {
  int slots, rows;
  int64_t shares, count;  // of a token, and of all
};

template <class T, bool Back, int E>
__global__ void __launch_bounds__(threads, 3) rotary_kernel(const rotary_call call, const rotary_cut cut) {
  using slot_t = packed<T, E>;
  const int row = int(threadIdx.x) / cut.slots;
  if (row >= cut.rows) return;
  const int64_t half = call.width / 2;
  for (int64_t share = int64_t(blockIdx.x) * cut.rows + row; share < cut.count;
       share += int64_t(gridDim.x) * cut.rows) {
    const int64_t token = share / cut.shares, first = share % cut.shares * heads_a_thread;
    const int64_t past = first + heads_a_thread < call.heads ? first + heads_a_thread : call.heads;
    const int64_t position = call.start[token / call.time] + token % call.time;
    const bool inside = position >= 0 && position < call.positions;
    for (int64_t i = int64_t(threadIdx.x) % cut.slots * E; i < half; i += int64_t(cut.slots) * E) {
      float cos[E], sin[E];
      const float* table = call.table + (inside ? position : 0) * call.width + i;
      load_floats(table, cos);
      load_floats(table + half, sin);
#pragma unroll
      for (int k = 0; k < E; ++k) {
        if (!inside) cos[k] = sin[k] = NAN;
        if (Back) sin[k] = -sin[k];
      }
      const int64_t at = (token * call.heads + first) * call.width + i;
      const int heads = int(past - first);
      slot_t a[heads_a_thread], b[heads_a_thread];
#pragma unroll
      for (int h = 0; h < heads_a_thread; ++h) {
        if (h >= heads) break;
        const T* x = static_cast<const T*>(call.x) + at + h * call.width;
        a[h] = load_whole(reinterpret_cast<const slot_t*>(x));
        b[h] = load_whole(reinterpret_cast<const slot_t*>(x + half));
      }
#pragma unroll
      for (int h = 0; h < heads_a_thread; ++h) {
        if (h >= heads) break;
        float low[E], high[E];
#pragma unroll
        for (int k = 0; k < E; ++k) {
          low[k] = a[h][k] * cos[k] - b[h][k] * sin[k];
          high[k] = b[h][k] * cos[k] + a[h][k] * sin[k];
        }
        T* y = static_cast<T*>(call.y) + at + h * call.width;
        store_whole(reinterpret_cast<slot_t*>(y), slot_t::of(low));
        store_whole(reinterpret_cast<slot_t*>(y + half), slot_t::of(high));
      }
    }
  }
}

template <class T, bool Back, int E>
pc_status rotate_slots(const pc_queue& queue, const rotary_call& call) {
  const int64_t slots = divide_up(call.width / 2, E), tokens = call.batch * call.time;
  const int width = slots < threads ? int(slots) : threads;
  const int64_t shares = divide_up(call.heads, heads_a_thread);
  const rotary_cut cut{width, threads / width, shares, tokens * shares};
  return launch(queue, {divide_up(cut.count, cut.rows), threads}, rotary_kernel<T, Back, E>, call, cut);
}

template <bool Back>
pc_status rotate(const pc_queue& queue, const rotary_call& call) {
  if (call.batch * call.time * call.heads * (call.width / 2) == 0) return PC_OK;
  return with_storage(call.dtype, [&](auto storage) {
    using T = typename decltype(storage)::type;
    constexpr int E = slot_elements<T, true>;
    const bool whole = call.width % (2 * E) == 0 && uintptr_t(call.x) % slot_bytes == 0 &&
                       uintptr_t(call.y) % slot_bytes == 0 && uintptr_t(call.table) % slot_bytes == 0;
    return whole ? rotate_slots<T, Back, E>(queue, call) : rotate_slots<T, Back, 1>(queue, call);
  });
}

}  // namespace

pc_status rotary_forward(pc_queue& queue, const rotary_call& call) { return rotate<false>(queue, call); }
pc_status rotary_backward(pc_queue& queue, const rotary_call& call) { return rotate<true>(queue, call); }

}  // namespace cuda
}  // namespace polycom
