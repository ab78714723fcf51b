// Narrow rows, as many at once as a vector has lanes, so that what a row costs whatever its width is shared: sums over
// lanes, roots, quotients. A row's results do not depend on the rows beside it.
#pragma once
#include "simd.h"

namespace polycom {
namespace cpu {
namespace {

// Up to this width: a block of float sums, of rows that stay in the caches until they are read again.
constexpr int64_t narrow_cols = block;

// True is -1.
typedef int32_t mask_vec __attribute__((vector_size(lanes * 4)));

// What each of a vector's rows needs, for a row to take its own.
template <int N>
struct row_coefficients {
  float of[N][lanes];
  PC_INLINE void put(int k, vec v) { memcpy(of[k], &v, sizeof v); }
};

// Sums of a row's elements by add(row, i, n, sums), for rows 0 to `count`: lane r of sum k is row r's. The first `Alike`
// have terms of one sign; of the others, which may cancel, the lanes are added up in double.
template <int Alike, int N, class RowOf, class Add>
PC_INLINE void sum_rows(int64_t cols, int64_t count, RowOf row_of, Add add, vec (&sums)[N]) {
  constexpr int few = lanes / 2;  // rows to a register of doubles
  vec parts[Alike][lanes];
  double_vec exact[N][2][few];
  for (int64_t r = count; r < lanes; ++r) {
    for (int k = 0; k < Alike; ++k) parts[k][r] = vec{};
    for (int k = Alike; k < N; ++k) exact[k][r / few][r % few] = double_vec{};
  }
  const auto keep = [&](int64_t r, const vec* sum) {
    for (int k = 0; k < Alike; ++k) parts[k][r] = sum[k];
    for (int k = Alike; k < N; ++k) {
      const wide_vec wide = widened(sum[k]);
      exact[k][r / few][r % few] = wide.low + wide.high;
    }
  };
  if (cols <= lanes) {
    for (int64_t r = 0; r < count; ++r) {
      vec sum[N] = {};
      add(row_of(r), int64_t(0), cols, sum);
      keep(r, sum);
    }
  } else {
    for (int64_t r = 0; r < count; ++r) {
      vec even[N] = {}, odd[N] = {};
      const auto row = row_of(r);
      accumulate_block(0, cols, even, odd, [&](int64_t i, int64_t n, vec* s) { add(row, i, n, s); });
      for (int k = 0; k < N; ++k) even[k] += odd[k];
      keep(r, even);
    }
  }
  for (int k = 0; k < Alike; ++k) sums[k] = sums_of_lanes(parts[k]);
  for (int k = Alike; k < N; ++k)
    sums[k] = narrowed({sums_of_lanes(exact[k][0]), sums_of_lanes(exact[k][1])});
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
