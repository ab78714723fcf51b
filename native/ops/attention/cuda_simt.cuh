// The attention's tiles where there are no tensor cores for it: blocks of 128 threads as 8 by 16, each with a few rows and
// columns of every product. f32 throughout, in shared memory; what lies outside a tensor reads as 0.
#pragma once
#include "cuda.cuh"
#include "math/exponential.h"

namespace polycom {
namespace cuda {

constexpr int tile_rows_of_threads = 8, tile_columns_of_threads = 16;
constexpr int tile_threads = tile_rows_of_threads * tile_columns_of_threads;

// Whether what is being compiled may run on a GPU that needs these: code for newer ones has none of them.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
constexpr bool needs_simt = false;
#else
constexpr bool needs_simt = true;
#endif

// W: the width, padded; N: the queries, and the keys, of a tile. One column more than W, so that a column's
// elements are in different banks.
template <int W, int N>
struct tile {
  float at[N][W + 1];

  // Rows from `first` of those below `end`, times `factor`.
  template <class T>
  __device__ void load(const heads_view& view, int64_t b, int64_t head, int64_t first, int64_t end, int width,
                       float factor) {
    for (int i = int(threadIdx.x); i < N * W; i += tile_threads) {
      const int row = i / W, d = i % W;
      const bool inside = first + row < end && d < width;
      at[row][d] = inside ? float(view.row<T>(b, first + row, head)[d]) * factor : 0.0f;
    }
  }
};

// Where a thread is among the 8 by 16. Rows that follow each other; columns 16 apart.
template <int N>
struct tile_place {
  static constexpr int rows = N / tile_rows_of_threads, columns = N / tile_columns_of_threads;
  int y = int(threadIdx.x) / tile_columns_of_threads, x = int(threadIdx.x) % tile_columns_of_threads;

  __device__ int row(int r) const { return y * rows + r; }
  __device__ int column(int c) const { return x + c * tile_columns_of_threads; }
};

// a b^T, a thread's part.
template <int W, int N>
__device__ __forceinline__ void multiply_transposed(
    const tile<W, N>& a, const tile<W, N>& b, float (&out)[tile_place<N>::rows][tile_place<N>::columns]) {
  const tile_place<N> place;
#pragma unroll
  for (int r = 0; r < place.rows; ++r) {
#pragma unroll
    for (int c = 0; c < place.columns; ++c) out[r][c] = 0;
  }
#pragma unroll 4
  for (int d = 0; d < W; ++d) {
    float column[place.columns];
#pragma unroll
    for (int c = 0; c < place.columns; ++c) column[c] = b.at[place.column(c)][d];
#pragma unroll
    for (int r = 0; r < place.rows; ++r) {
      const float row = a.at[place.row(r)][d];
#pragma unroll
      for (int c = 0; c < place.columns; ++c) out[r][c] += row * column[c];
    }
  }
}

// out[r] += weight(r, i) b[i], for the i that `sees(r, i)` allows: what a query does not see must not reach
// it, even if it is NaN. A thread has elements column(c) of each of its rows.
template <int W, int N, class Weight, class Sees>
__device__ __forceinline__ void multiply_add(const tile<W, N>& b, Weight weight, Sees sees,
                                             float (&out)[tile_place<N>::rows][W / tile_columns_of_threads]) {
  const tile_place<N> place;
  constexpr int columns = W / tile_columns_of_threads;
#pragma unroll 2
  for (int i = 0; i < N; ++i) {
    float row[columns];
#pragma unroll
    for (int c = 0; c < columns; ++c) row[c] = b.at[i][place.column(c)];
#pragma unroll
    for (int r = 0; r < place.rows; ++r) {
      if (!sees(r, i)) continue;
      const float factor = weight(r, i);
#pragma unroll
      for (int c = 0; c < columns; ++c) out[r][c] += factor * row[c];
    }
  }
}

template <class T, int N, int Columns>
__device__ __forceinline__ void store_rows(const heads_view& view, int64_t b, int64_t head, int64_t first,
                                           int64_t end, int width, float factor,
                                           const float (&values)[tile_place<N>::rows][Columns]) {
  const tile_place<N> place;
#pragma unroll
  for (int r = 0; r < place.rows; ++r) {
    const int64_t row = first + place.row(r);
    if (row >= end) continue;
    T* const to = view.row<T>(b, row, head);
#pragma unroll
    for (int c = 0; c < Columns; ++c) {
      if (place.column(c) < width) to[place.column(c)] = T(values[r][c] * factor);
    }
  }
}

// combine over the 16 threads that share a row; each gets the result.
template <class Combine>
__device__ __forceinline__ float across_row(float value, Combine combine) {
#pragma unroll
  for (int distance = tile_columns_of_threads / 2; distance > 0; distance /= 2) {
    value = combine(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}

template <int W, int N>
struct tile_tag {
  static constexpr int width = W, size = N;
};

// run(type_tag of the storage, tile_tag) with the least padded width that holds the call's.
template <int Size, int SizeOfWide, class Run>
pc_status with_tile(const attention_call& call, Run run) {
  return with_storage_and_width(call, [&](auto storage, auto width) {
    constexpr int W = decltype(width)::width;
    return run(storage, tile_tag < W, W == 64 ? Size : W == 128 ? SizeOfWide : 16 > {});
  });
}

}  // namespace cuda
}  // namespace polycom
