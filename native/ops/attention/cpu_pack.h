// The attention's operands as its products read them: rows padded to whole vectors, and transposes.
#pragma once
#include "cpu_cut.h"
#include "runtime/cpu/storage.h"

namespace polycom {
namespace cpu {
namespace {

// Rows of `view` from `first`, times `factor`, padded with zeros to `width`.
template <class T>
inline void pack_rows(const heads_view& view, int64_t b, int64_t h, int64_t first, int64_t count,
                      int64_t depth, int64_t width, float factor, float* to) {
  for (int64_t i = 0; i < count; ++i, to += width) {
    const T* from = view.row<const T>(b, first + i, h);
    int64_t d = 0;
    for (; d + lanes <= depth; d += lanes) store(to + d, load(from + d) * factor);
    if (d < depth) {
      store(to + d, load_part(from + d, depth - d) * factor);
      d += lanes;
    }
    for (; d < width; d += lanes) store(to + d, vec{});
  }
}

typedef float four __attribute__((vector_size(16)));

// A block of 4 x 4, transposed.
PC_INLINE void transpose_block(const float* const (&from)[4], int64_t d, float* to, int64_t pitch) {
  four a, b, c, e;
  memcpy(&a, from[0] + d, sizeof a);
  memcpy(&b, from[1] + d, sizeof b);
  memcpy(&c, from[2] + d, sizeof c);
  memcpy(&e, from[3] + d, sizeof e);
  const four low = pick<four, 0, 4, 1, 5>(a, b), low2 = pick<four, 0, 4, 1, 5>(c, e);
  const four high = pick<four, 2, 6, 3, 7>(a, b), high2 = pick<four, 2, 6, 3, 7>(c, e);
  const four columns[4] = {pick<four, 0, 1, 4, 5>(low, low2), pick<four, 2, 3, 6, 7>(low, low2),
                           pick<four, 0, 1, 4, 5>(high, high2), pick<four, 2, 3, 6, 7>(high, high2)};
  for (int i = 0; i < 4; ++i) memcpy(to + i * pitch, &columns[i], sizeof(four));
}

// `count` rows of `pitch` floats as panels of N rows, [count / N][depth][N]; those beyond `count` are zeros.
template <int N>
inline void transpose_rows(const float* from, int64_t pitch, int64_t count, int64_t depth, float* to) {
  for (int64_t i = 0; i < count; i += N, to += depth * N) {
    for (int64_t j = 0; j < N; j += 4) {
      if (i + j + 4 > count) {
        for (int64_t r = j; r < j + 4; ++r) {
          for (int64_t d = 0; d < depth; ++d) to[d * N + r] = i + r < count ? from[(i + r) * pitch + d] : 0;
        }
        continue;
      }
      const float* const rows[4] = {from + (i + j) * pitch, from + (i + j + 1) * pitch,
                                    from + (i + j + 2) * pitch, from + (i + j + 3) * pitch};
      int64_t d = 0;
      for (; d + 4 <= depth; d += 4) transpose_block(rows, d, to + d * N + j, N);
      for (; d < depth; ++d) {
        for (int r = 0; r < 4; ++r) to[d * N + j + r] = rows[r][d];
      }
    }
  }
}

// The same of rows of `view` from `first`. `row_room`: for N rows as floats, padded to whole vectors.
template <int N, class T>
inline void transpose_heads(const heads_view& view, int64_t b, int64_t h, int64_t first, int64_t count,
                            int64_t depth, float* row_room, float* to) {
  if constexpr (sizeof(T) == sizeof(float)) {
    transpose_rows<N>(view.row<const T>(b, first, h), view.time, count, depth, to);
  } else {
    const int64_t width = divide_up(depth, lanes) * lanes;
    for (int64_t i = 0; i < count; i += N, to += depth * N) {
      const int64_t rows = std::min<int64_t>(N, count - i);
      pack_rows<T>(view, b, h, first + i, rows, depth, width, 1, row_room);
      transpose_rows<N>(row_room, width, rows, depth, to);
    }
  }
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
