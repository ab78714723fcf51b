// Rotary position embedding on the CPU. With a row [cos | sin] of the table for each position:
//   forward:  y[i] = x[i] cos[i] - x[i + half] sin[i],  y[i + half] = x[i + half] cos[i] + x[i] sin[i]
//   backward: the rotation back, which has the other sign of sin
#include "call.h"
#include "runtime/cpu/ranges.h"
#include "runtime/cpu/storage.h"

namespace polycom {
namespace cpu {
namespace {

constexpr int64_t piece = 16384;  // elements

template <bool Back, class T>
pc_status rotate_as(pc_queue& queue, const rotary_call& call) {
  const int64_t row = call.heads * call.width, half = call.width / 2;
  const bool streaming = too_large_to_cache(call.batch * call.time * row * int64_t(sizeof(T)));
  for_each_range(queue, call.batch * call.time, rows_of(piece, row), [&](int64_t first, int64_t past) {
    for (int64_t r = first; r < past; ++r) {
      const int64_t position = call.start[r / call.time] + r % call.time;
      const float *cos = call.table + position * call.width, *sin = cos + half;
      for (int64_t at = r * row; at < (r + 1) * row; at += call.width) {
        const T* x = static_cast<const T*>(call.x) + at;
        T* y = static_cast<T*>(call.y) + at;
        map(two_outputs<T>{{y}, {y + half}}, half, streaming, [&](int64_t i, int64_t n) {
          const vec a = load_up_to(x + i, n), b = load_up_to(x + half + i, n);
          const vec c = load_up_to(cos + i, n), s = load_up_to(sin + i, n);
          return Back ? vec_pair{a * c + b * s, b * c - a * s} : vec_pair{a * c - b * s, b * c + a * s};
        });
      }
    }
    if (streaming) fence_streaming();
  });
  return PC_OK;
}

template <bool Back>
pc_status rotate(pc_queue& queue, const rotary_call& call) {
  return with_storage(call.dtype, [&](auto storage) {
    return rotate_as<Back, typename decltype(storage)::type>(queue, call);
  });
}

}  // namespace

namespace PC_ISA {

pc_status rotary_forward(pc_queue& queue, const rotary_call& call) { return rotate<false>(queue, call); }
pc_status rotary_backward(pc_queue& queue, const rotary_call& call) { return rotate<true>(queue, call); }

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
