// The attention's matrix products, in registers, over strips: `strip_rows` queries by some columns of keys,
// rows `Pitch` apart. Packed operands: a matrix as its rows, padded to `width`; its transpose as panels of
// `lanes` rows, [rows / lanes][depth][lanes]; a strip's rows transposed as [depth][strip_rows].
#pragma once
#include <math.h>

#include <algorithm>
#include <atomic>

#include "cpu_pack.h"
#include "math/exponential.h"
#include "runtime/threads.h"

namespace polycom {
namespace cpu {
namespace {

// What the registers hold of accumulators: 8 x 3 vectors of 32, or 4 x 3 of 16.
constexpr int strip_rows = lanes == 16 ? 8 : 4;

// Rows of scores by queries, and of what becomes of them.
template <int Rows, int64_t Columns>
struct score_rows {
  static constexpr int64_t columns = Columns;
  static constexpr int64_t pitch = Columns + most_lanes;  // no power of two: rows fall into different sets
  alignas(64) float at[Rows * pitch];

  float* row(int64_t r) { return at + r * pitch; }
};

// How many of a strip's columns each of its rows sees; they do not decrease from row to row.
struct strip_counts {
  int64_t of[strip_rows];

  int64_t common() const { return of[0]; }
  int64_t most() const { return of[strip_rows - 1]; }
};

// --- products ---

// The columns of N panels, times the strip's rows: a is [depth][strip_rows].
template <int N, int64_t Pitch>
PC_INLINE void multiply_panels(const float* a, const float* panels, int64_t depth, float* out) {
  vec sums[strip_rows][N] = {};
  for (int64_t d = 0; d < depth; ++d) {
    vec b[N];
    for (int n = 0; n < N; ++n) b[n] = load(panels + (n * depth + d) * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < strip_rows; ++r) {
      const float factor = a[d * strip_rows + r];
      for (int n = 0; n < N; ++n) sums[r][n] += factor * b[n];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < strip_rows; ++r) {
    for (int n = 0; n < N; ++n) store(out + r * Pitch + n * lanes, sums[r][n]);
  }
}

// out = a b^T, for `columns` columns, rounded up to a vector: q k^T and dy v^T.
template <int64_t Pitch>
inline void multiply_transposed(const float* a, const float* panels, int64_t depth, int64_t columns,
                                float* out) {
  int64_t left = divide_up(columns, lanes);
  for (; left >= 3; left -= 3, out += 3 * lanes, panels += 3 * depth * lanes) {
    multiply_panels<3, Pitch>(a, panels, depth, out);
  }
  if (left == 2) multiply_panels<2, Pitch>(a, panels, depth, out);
  if (left == 1) multiply_panels<1, Pitch>(a, panels, depth, out);
}

// How many of the vectors that are left of a row the accumulators take at once: 4 as 2 and 2.
PC_INLINE int64_t next_vectors(int64_t left) {
  return left == 3 || left > 4 ? 3 : std::min<int64_t>(left, 2);
}

template <int N, int64_t Pitch>
PC_INLINE void add_rows(const float* a, const float* b, int64_t count, int64_t width, float* out) {
  vec sums[strip_rows][N];
#pragma GCC unroll 8
  for (int r = 0; r < strip_rows; ++r) {
    for (int n = 0; n < N; ++n) sums[r][n] = load(out + r * width + n * lanes);
  }
  for (int64_t j = 0; j < count; ++j) {
    vec row[N];
    for (int n = 0; n < N; ++n) row[n] = load(b + j * width + n * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < strip_rows; ++r) {
      const float factor = a[r * Pitch + j];
      for (int n = 0; n < N; ++n) sums[r][n] += factor * row[n];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < strip_rows; ++r) {
    for (int n = 0; n < N; ++n) store(out + r * width + n * lanes, sums[r][n]);
  }
}

// to += factor * from
PC_INLINE void add_row(float factor, const float* from, int64_t width, float* to) {
  for (int64_t d = 0; d < width; d += lanes) store(to + d, load(to + d) + factor * load(from + d));
}

// out += a b over the columns that each row sees, and no other: p v and ds k. A key that a query does not see
// must not reach it, even if it is NaN. out: [strip_rows][width].
template <int64_t Pitch>
inline void multiply_add(const float* a, const strip_counts& counts, const float* b, int64_t width,
                         float* out) {
  for (int64_t d = 0, n; d < width; d += n * lanes) {
    n = next_vectors((width - d) / lanes);
    if (n == 3) add_rows<3, Pitch>(a, b + d, counts.common(), width, out + d);
    if (n == 2) add_rows<2, Pitch>(a, b + d, counts.common(), width, out + d);
    if (n == 1) add_rows<1, Pitch>(a, b + d, counts.common(), width, out + d);
  }
  for (int r = 1; r < strip_rows; ++r) {
    for (int64_t j = counts.common(); j < counts.of[r]; ++j) {
      add_row(a[r * Pitch + j], b + j * width, width, out + r * width);
    }
  }
}

template <int N, int64_t Pitch>
PC_INLINE void add_columns(const float* a, const float* b, int64_t rows, int64_t width, float* out) {
  vec sums[strip_rows][N];
#pragma GCC unroll 8
  for (int j = 0; j < strip_rows; ++j) {
    for (int n = 0; n < N; ++n) sums[j][n] = load(out + j * width + n * lanes);
  }
  for (int64_t r = 0; r < rows; ++r) {
    vec row[N];
    for (int n = 0; n < N; ++n) row[n] = load(b + r * width + n * lanes);
#pragma GCC unroll 8
    for (int j = 0; j < strip_rows; ++j) {
      const float factor = a[r * Pitch + j];
      for (int n = 0; n < N; ++n) sums[j][n] += factor * row[n];
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < strip_rows; ++j) {
    for (int n = 0; n < N; ++n) store(out + j * width + n * lanes, sums[j][n]);
  }
}

// out += a^T b over the columns that each row sees, counts[row], and no other: p^T dy and ds^T q. The counts
// do not decrease. b: [rows][width]; out: a row a column.
template <int64_t Pitch>
inline void multiply_transposed_add(const float* a, const int64_t* counts, int64_t rows, const float* b,
                                    int64_t width, float* out) {
  for (int64_t j = 0, whole = 0; j < counts[rows - 1]; j += strip_rows) {
    // The rows that see only some of these columns.
    for (; whole < rows && counts[whole] < j + strip_rows; ++whole) {
    }
    for (int64_t r = 0; r < whole; ++r) {
      for (int64_t i = j; i < counts[r]; ++i)
        add_row(a[r * Pitch + i], b + r * width, width, out + i * width);
    }
    if (whole == rows) continue;
    const float* const from = a + whole * Pitch + j;
    for (int64_t d = 0, n; d < width; d += n * lanes) {
      n = next_vectors((width - d) / lanes);
      const float* const right = b + whole * width + d;
      float* const to = out + j * width + d;
      if (n == 3) add_columns<3, Pitch>(from, right, rows - whole, width, to);
      if (n == 2) add_columns<2, Pitch>(from, right, rows - whole, width, to);
      if (n == 1) add_columns<1, Pitch>(from, right, rows - whole, width, to);
    }
  }
}

// --- rows ---

// The lanes' sum or maximum, halves upon halves.
template <class Combine>
PC_INLINE float combine_lanes(vec v, Combine combine) {
  float values[lanes];
  memcpy(values, &v, sizeof values);
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) values[i] = combine(values[i], values[i + half]);
  }
  return values[0];
}
PC_INLINE float sum_lanes(vec v) {
  return combine_lanes(v, [](float a, float b) { return a + b; });
}
PC_INLINE float largest_lane(vec v) {
  return combine_lanes(v, [](float a, float b) { return a > b ? a : b; });
}

// A vector of which only the first n lanes count; the others are `rest`.
PC_INLINE vec first_lanes(vec v, int64_t n, float rest) {
  typedef int32_t index_vec __attribute__((vector_size(lanes * 4)));
  index_vec index;
  for (int i = 0; i < lanes; ++i) index[i] = i;
  return index < int32_t(n) ? v : vec{} + rest;
}

// The largest of the first n; NaNs are passed over, and show in the exponentials.
inline float largest(const float* row, int64_t n) {
  vec most = vec{} - INFINITY;
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const vec v = load(row + j);
    most = v > most ? v : most;
  }
  if (j < n) {
    const vec v = first_lanes(load(row + j), n - j, -INFINITY);
    most = v > most ? v : most;
  }
  return largest_lane(most);
}

// row = exp(row - shift) over the first n; returns their sum.
inline float exponentials(float* row, int64_t n, float shift) {
  vec sum{};
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const vec e = vanishing_exponential(load(row + j) - shift);
    store(row + j, e);
    sum += e;
  }
  if (j < n) {
    const vec e = first_lanes(vanishing_exponential(load(row + j) - shift), n - j, 0);
    store(row + j, e);
    sum += e;
  }
  return sum_lanes(sum);
}

// --- work ---

inline float* workspace_of(const attention_call& call) {
  return reinterpret_cast<float*>((uintptr_t(call.workspace) + 63) & ~uintptr_t(63));
}

// body(item, slot) for every item; items are taken in order by at most `workers` threads, each with its slot.
template <class Body>
void for_each_item(const pc_queue& queue, const attention_call& call, const attention_cut& cut, Body body) {
  struct context_t {
    const attention_call& call;
    const attention_cut& cut;
    Body& body;
    std::atomic<int64_t> next;
  } context{call, cut, body, {0}};
  parallel_for(
      cut.workers, queue.threads,
      [](void* opaque, int64_t worker) {
        auto& c = *static_cast<context_t*>(opaque);
        float* const slot = workspace_of(c.call) + worker * c.cut.slot;
        for (int64_t i; (i = c.next.fetch_add(1, std::memory_order_relaxed)) < c.cut.items;) c.body(i, slot);
      },
      &context);
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
