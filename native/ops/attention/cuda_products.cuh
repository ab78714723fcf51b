// Products of the attention's tiles by tensor cores, 16 rows to a warp. Floats are taken as two TF32 that add up to them,
// of whose four products three count: as right as f32, nearly. Weights, which are computed, are two of 16 bits likewise,
// where tiles are stored in 16.
#pragma once
#include "cuda_tile.cuh"
#include "runtime/cuda/mma.cuh"
#include "runtime/cuda/packed.cuh"

namespace polycom {
namespace cuda {

// A lane's part of a matrix (see mma.cuh), as a sum of `Parts`.
template <int Parts, int Cells>
struct fragment {
  unsigned at[Parts][Cells];
};

template <class T>
constexpr int parts_of = sizeof(T) == sizeof(float) ? 2 : 1;

// A float as two of TF32: its upper bits, and what they leave, of which only the upper bits count either.
__device__ __forceinline__ void split(unsigned bits, unsigned& upper, unsigned& rest) {
  const float value = __uint_as_float(bits);
  upper = bits & 0xffffe000u;
  const float left = value - __uint_as_float(upper);
  rest = __float_as_uint(fabsf(value) == INFINITY ? 0.0f : left);
}

template <class T, int Cells>
__device__ __forceinline__ void set(fragment<parts_of<T>, Cells>& to, int cell, unsigned bits) {
  if constexpr (parts_of<T> == 2) {
    split(bits, to.at[0][cell], to.at[1][cell]);
  } else {
    to.at[0][cell] = bits;
  }
}

// Sums of products; of those with a rest apart, for tensor cores cut off what is small beside a sum.
struct product_sums {
  float upper[4] = {}, rest[4] = {};
};

template <class T, int PartsA, int PartsB>
__device__ __forceinline__ void add_product(product_sums& to, const fragment<PartsA, 4>& a,
                                            const fragment<PartsB, 2>& b) {
  mma(to.upper, a.at[0], b.at[0], type_tag<T>{});
  if constexpr (PartsB > 1) mma(to.rest, a.at[0], b.at[1], type_tag<T>{});
  if constexpr (PartsA > 1) mma(to.rest, a.at[1], b.at[0], type_tag<T>{});
}

__device__ __forceinline__ int lane_of_warp() { return int(threadIdx.x) % warp_size; }

// The cells of 16 rows by 32 bytes, for a.
template <class T, int W>
__device__ __forceinline__ fragment<parts_of<T>, 4> rows_fragment(const char* rows, int at) {
  const int lane = lane_of_warp();
  unsigned cells[4];
  load_matrices(cells, rows + lane % 16 * tile_pitch<T, W> + at + lane / 16 * 16);
  fragment<parts_of<T>, 4> made;
#pragma unroll
  for (int i = 0; i < 4; ++i) set<T>(made, i, cells[i]);
  return made;
}

// Those of 16 rows by 32 bytes whose rows are the columns of b: two of it.
template <class T, int W>
__device__ __forceinline__ void columns_fragments(const char* rows, int at,
                                                  fragment<parts_of<T>, 2> (&made)[2]) {
  const int lane = lane_of_warp();
  unsigned cells[4];
  load_matrices(cells, rows + (lane % 8 + lane / 16 * 8) * tile_pitch<T, W> + at + lane / 8 % 2 * 16);
#pragma unroll
  for (int i = 0; i < 4; ++i) set<T>(made[i / 2], i % 2, cells[i]);
}

// out = a b^T over 16 rows of a and N of b, `bytes` of each row.
template <class T, int W, int N>
__device__ __forceinline__ void multiply_transposed(const char* a, const char* b, int bytes,
                                                    float (&out)[N / 8][4]) {
  // So many steps of 32 bytes are summed by the tensor cores before a sum is rounded as floats are.
  constexpr int steps = W * int(sizeof(T)) < 128 ? 2 : 4;
#pragma unroll
  for (int n = 0; n < N / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) out[n][i] = 0;
  }
#pragma unroll 1
  for (int at = 0; at < bytes; at += steps * 32) {
    product_sums sums[N / 8];
#pragma unroll
    for (int step = 0; step < steps; ++step) {
      const auto left = rows_fragment<T, W>(a, at + step * 32);
#pragma unroll
      for (int n = 0; n < N / 8; n += 2) {
        fragment<parts_of<T>, 2> right[2];
        columns_fragments<T, W>(b + n * 8 * tile_pitch<T, W>, at + step * 32, right);
        add_product<T>(sums[n], left, right[0]);
        add_product<T>(sums[n + 1], left, right[1]);
      }
    }
#pragma unroll
    for (int n = 0; n < N / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        out[n][i] += parts_of<T> == 2 ? sums[n].upper[i] + sums[n].rest[i] : sums[n].upper[i];
    }
  }
}

// f16 has neither large nor small numbers: the power of two that a row of weights is divided by before, and multiplied by
// after. Others take weights as they are.
template <class T, int N>
__device__ __forceinline__ void unit_of(const float (&weights)[N / 8][4], int half, float* unit,
                                        float* inverse) {
  *unit = *inverse = 1;
  if constexpr (std::is_same_v<T, __half>) {
    float most = 0;
#pragma unroll
    for (int n = 0; n < N / 8; ++n)
      most = fmaxf(most, fmaxf(fabsf(weights[n][2 * half]), fabsf(weights[n][2 * half + 1])));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
    const unsigned bits = __float_as_uint(most) & 0x7f800000u,
                   exponent = bits < 253u << 23 ? bits : 253u << 23;
    *unit = __uint_as_float(exponent);
    *inverse = __uint_as_float((254u << 23) - exponent);
  }
}

// Weights of 16 rows and N columns as a, in two parts. Of floats the columns are in another order, that in which
// weighted_fragment takes rows.
template <class T, int N>
struct weight_fragments {
  static constexpr int steps = N * int(sizeof(T)) / 32;
  fragment<2, 4> at[steps];
  float unit[2];

  __device__ __forceinline__ explicit weight_fragments(const float (&weights)[N / 8][4]) {
    float inverse[2];
    unit_of<T, N>(weights, 0, &unit[0], &inverse[0]);
    unit_of<T, N>(weights, 1, &unit[1], &inverse[1]);
#pragma unroll
    for (int step = 0; step < steps; ++step) {
#pragma unroll
      for (int cell = 0; cell < 4; ++cell) {
        unsigned &upper = at[step].at[0][cell], &rest = at[step].at[1][cell];
        const int half = cell % 2;
        if constexpr (sizeof(T) == sizeof(float)) {
          split(__float_as_uint(weights[step][2 * half + cell / 2]), upper, rest);
        } else {
          const float* const pair = &weights[2 * step + cell / 2][2 * half];
          const float first = pair[0] * inverse[half], second = pair[1] * inverse[half];
          upper = rounded_pair(first, second, type_tag<T>{});
          const auto left = [&](float value, int of) {
            return fabsf(value) == INFINITY ? 0.0f : value - one_of_pair(upper, of, type_tag<T>{});
          };
          rest = rounded_pair(left(first, 0), left(second, 1), type_tag<T>{});
        }
      }
    }
  }
};

// A cell, with 0 for what is no finite number.
template <class T>
__device__ __forceinline__ unsigned finite_cell(unsigned cell) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return (cell & 0x7f800000u) == 0x7f800000u ? 0 : cell;
  } else {
    constexpr unsigned exponent = std::is_same_v<T, __half> ? 0x7c00u : 0x7f80u;
    if ((cell & exponent) == exponent) cell &= 0xffff0000u;
    return (cell >> 16 & exponent) == exponent ? cell & 0xffffu : cell;
  }
}

// Of 32 bytes of a tile's rows, in weights' order, 16 columns from `column`: two of b. `Finite`: what is no finite number
// counts as 0.
template <class T, int W, bool Finite>
__device__ __forceinline__ void weighted_fragments(const char* rows, int column,
                                                   fragment<parts_of<T>, 2> (&made)[2]) {
  const int lane = lane_of_warp();
  unsigned cells[4];
  if constexpr (sizeof(T) == sizeof(float)) {
    const char* const at = rows + lane % 4 * 2 * tile_pitch<T, W> + (column + lane / 4) * int(sizeof(T));
#pragma unroll
    for (int i = 0; i < 4; ++i)
      cells[i] =
          *reinterpret_cast<const unsigned*>(at + i % 2 * tile_pitch<T, W> + i / 2 * 8 * int(sizeof(T)));
  } else {
    load_matrices_transposed(cells,
                             rows + lane % 16 * tile_pitch<T, W> + column * int(sizeof(T)) + lane / 16 * 16);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) set<T>(made[i / 2], i % 2, Finite ? finite_cell<T>(cells[i]) : cells[i]);
}

// out = factor out + weights b over N rows of b, of which `width` columns count.
template <class T, int W, int N, bool Finite = false>
__device__ __forceinline__ void multiply_add(const weight_fragments<T, N>& weights, const char* b, int width,
                                             const float (&factor)[2], float (&out)[W / 8][4]) {
  constexpr int rows = 32 / int(sizeof(T));  // of a step
#pragma unroll
  for (int from = 0; from < W / 8; from += 4) {
    if (from * 8 >= width) continue;
#pragma unroll
    for (int m = from; m < from + 4; m += 2) {
      product_sums sums[2];
#pragma unroll
      for (int step = 0; step < weights.steps; ++step) {
        fragment<parts_of<T>, 2> right[2];
        weighted_fragments<T, W, Finite>(b + step * rows * tile_pitch<T, W>, m * 8, right);
        add_product<T>(sums[0], weights.at[step], right[0]);
        add_product<T>(sums[1], weights.at[step], right[1]);
      }
#pragma unroll
      for (int k = 0; k < 2; ++k) {
#pragma unroll
        for (int i = 0; i < 4; ++i)
          out[m + k][i] =
              out[m + k][i] * factor[i / 2] + (sums[k].upper[i] + sums[k].rest[i]) * weights.unit[i / 2];
      }
    }
  }
}

// out += weights b over what of b is no finite number, of a row only where `sees(row of the lane, row of b)`: what a query
// does not see must not reach it, and 0 times an infinity would.
template <class T, int W, int N, class Sees>
__device__ __forceinline__ void add_odd(const float (&weights)[N / 8][4], const char* b, Sees sees,
                                        float (&out)[W / 8][4]) {
  const int lane = lane_of_warp();
#pragma unroll
  for (int n = 0; n < N / 8; ++n) {
#pragma unroll 1
    for (int k = 0; k < 8; ++k) {
      const T* const row = reinterpret_cast<const T*>(b + (n * 8 + k) * tile_pitch<T, W>) + lane % 4 * 2;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float mine = k % 2 == 0 ? weights[n][2 * half] : weights[n][2 * half + 1];
        const float weight = __shfl_sync(0xffffffffu, mine, lane / 4 * 4 + k / 2);
        if (!sees(half, n * 8 + k)) continue;
#pragma unroll
        for (int m = 0; m < W / 8; ++m) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const float value = float(row[m * 8 + e]);
            if (value - value != 0) out[m][2 * half + e] += weight * value;
          }
        }
      }
    }
  }
}

// out = factor out + weights b, of a row of b only where a row sees it. `odd`: whether there are some that are not seen, and
// b has what is no finite number.
template <class T, int W, int N, class Sees>
__device__ __forceinline__ void multiply_add_seen(const float (&weights)[N / 8][4], const char* b, int width,
                                                  bool odd, Sees sees, const float (&factor)[2],
                                                  float (&out)[W / 8][4]) {
  const weight_fragments<T, N> fragments(weights);
  if (odd) {
    multiply_add<T, W, N, true>(fragments, b, width, factor, out);
    add_odd<T, W, N>(weights, b, sees, out);
  } else {
    multiply_add<T, W, N>(fragments, b, width, factor, out);
  }
}

// Rows `first` and `first` + 8 of a lane, times `factor` each.
template <class T, int W, class Row>
__device__ __forceinline__ void store_rows(Row row, int first, int rows, int width, bool slots,
                                           const float (&factor)[2], const float (&values)[W / 8][4]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (first + half * 8 >= rows) continue;
    const int column = lane_of_warp() % 4 * 2;
    T* const to = row(first + half * 8) + column;
#pragma unroll
    for (int m = 0; m < W / 8; ++m) {
      if (m * 8 + column >= width) continue;
      const float pair[2] = {values[m][2 * half] * factor[half], values[m][2 * half + 1] * factor[half]};
      if (slots) {
        *reinterpret_cast<packed<T, 2>*>(to + m * 8) = packed<T, 2>::of(pair);
      } else {
        to[m * 8] = T(pair[0]);
        if (m * 8 + column + 1 < width) to[m * 8 + 1] = T(pair[1]);
      }
    }
  }
}

// Over the four lanes that have a row's columns.
template <class Combine>
__device__ __forceinline__ float across_row(float value, Combine combine) {
  value = combine(value, __shfl_xor_sync(0xffffffffu, value, 1));
  return combine(value, __shfl_xor_sync(0xffffffffu, value, 2));
}

}  // namespace cuda
}  // namespace polycom
