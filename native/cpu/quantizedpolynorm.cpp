// PolyNorm by groups of rows on the CPU, quantised to 8 bits: a row's largest value is found, and its values
// computed anew and divided by the scale, while it is in cache.
#include "cpu/groupedpolynorm.h"
#include "math/float8.h"

namespace polycom {
namespace cpu {
namespace {

typedef uint8_t byte_vec __attribute__((vector_size(lanes)));

// A row of y in f8.
struct quantized_row {
  uint8_t* to;
  const float* given;  // the scale, or null
  float* scale;

  // The larger of each lane; a NaN is none.
  static PC_INLINE vec larger(vec value, vec most) {
    const vec magnitude = (vec)((word_vec)value & 0x7fffffffu);
    return magnitude > most ? magnitude : most;
  }
  // 1 where there is nothing but zeros, or what float cannot divide by.
  static float scale_for(float largest) {
    const float wanted = largest / e4m3::largest;
    return wanted == 0 ? 1.0f : wanted;
  }

  template <class Body>
  PC_INLINE void vectors(int64_t n, Body body) const {
    if (given == nullptr) {
      vec most{};
      each(n, [&](int64_t i, int64_t count) { most = larger(first_of(body(i, count), count), most); });
      float largest = 0;
      for (int k = 0; k < lanes; ++k) largest = most[k] > largest ? most[k] : largest;
      *scale = scale_for(largest);
    } else {
      *scale = *given;
    }
    const float divisor = *scale;
    each(n, [&](int64_t i, int64_t count) {
      const byte_vec bytes =
          __builtin_convertvector(e4m3::narrow<word_vec>(body(i, count) / divisor), byte_vec);
      memcpy(to + i, &bytes, size_t(count));
    });
  }

  template <class Body>
  void elements(int64_t n, Body body) const {
    float largest = 0;
    for (int64_t i = 0; i < n; ++i) {
      const float magnitude = fabsf(float(body(i)));
      largest = magnitude > largest ? magnitude : largest;
    }
    *scale = given == nullptr ? scale_for(largest) : *given;
    for (int64_t i = 0; i < n; ++i) to[i] = uint8_t(e4m3::narrow<uint32_t>(float(body(i)) / *scale));
  }

  template <class Visit>
  static PC_INLINE void each(int64_t n, Visit visit) {
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) visit(i, int64_t(lanes));
    if (i < n) visit(i, n - i);
  }

  // The lanes past `count` hold what 0 gives, and are no part of the row.
  static PC_INLINE vec first_of(vec v, int64_t count) {
    if (count == lanes) return v;
    vec kept{};
    memcpy(&kept, &v, size_t(count) * sizeof(float));
    return kept;
  }
};

template <bool Gated>
pc_status quantized_of(pc_queue& queue, const groupedpolynorm_call& call) {
  if (call.cols == 0) {
    std::fill(call.scales, call.scales + call.rows, call.has_scale ? *call.scale : 1.0f);
    return PC_OK;
  }
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    using T = typename decltype(storage)::type;
    const float* const given = call.has_scale ? call.scale : nullptr;
    for_each_piece(queue, call, [&](int64_t, int64_t first, int64_t past) {
      group_cursor<R> group(call, first);
      for (int64_t r = first; r < past; ++r) {
        const quantized_row y{call.out.row<uint8_t>(r), given, call.scales + r};
        if (group.find(r)) {
          row_of<R, T, Gated>(call, r, group).forward(y);
        } else {
          memset(y.to, 0, size_t(call.cols));
          *y.scale = given == nullptr ? 1.0f : *given;
        }
      }
    });
    return PC_OK;
  });
}

}  // namespace

namespace PC_ISA {

pc_status quantizedpolynorm(pc_queue& queue, const groupedpolynorm_call& call) {
  return quantized_of<false>(queue, call);
}

pc_status quantizedpolynormglu(pc_queue& queue, const groupedpolynorm_call& call) {
  return quantized_of<true>(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
