// Attention forward by plain arithmetic: a block has a tile of queries and steps through its
// keys with a running softmax.
#include "cuda_simt.cuh"

namespace polycom {
namespace cuda {

template <class T, int W, int N>
__global__ void __launch_bounds__(tile_threads)
    attention_forward_simt_kernel(const attention_call call, int64_t tiles) {
  if constexpr (needs_simt) {
    constexpr int columns = W / tile_columns_of_threads;
    __shared__ tile<W, N> q, kv;
    __shared__ float p[N][N + 1];
    const tile_place<N> place;
    const int64_t count = call.batch * call.heads * tiles;
    for (int64_t block = blockIdx.x; block < count; block += gridDim.x) {
      const int64_t head = block % call.heads, b = block / call.heads % call.batch;
      // The last tiles have the most keys: first.
      const int64_t first = (tiles - 1 - block / call.heads / call.batch) * N;
      const int64_t last = first + N < call.time ? first + N - 1 : call.time - 1;
      const int64_t keys = call.seen(b, last), kv_head = head / call.group();
      float most[place.rows], sum[place.rows], y[place.rows][columns] = {};
      int64_t seen[place.rows];
#pragma unroll
      for (int r = 0; r < place.rows; ++r) {
        most[r] = -INFINITY;
        sum[r] = 0;
        seen[r] = call.seen(b, first + place.row(r));
      }
      __syncthreads();
      q.template load<T>(call.q, b, head, first, call.time, int(call.width), call.scale);
      for (int64_t j = 0; j < keys; j += N) {
        __syncthreads();
        kv.template load<T>(call.k, b, kv_head, j, call.keys, int(call.width), 1);
        __syncthreads();
        float s[place.rows][place.columns];
        multiply_transposed(q, kv, s);
#pragma unroll
        for (int r = 0; r < place.rows; ++r) {
          float largest = -INFINITY, added = 0;
#pragma unroll
          for (int c = 0; c < place.columns; ++c) {
            if (j + place.column(c) < seen[r] && s[r][c] > largest) largest = s[r][c];
          }
          largest = across_row(largest, [](float a, float other) { return a > other ? a : other; });
          const float before = most[r];
          if (largest > before) most[r] = largest;
          const float shift = most[r] == -INFINITY ? 0 : most[r];
#pragma unroll
          for (int c = 0; c < place.columns; ++c) {
            const float e = j + place.column(c) < seen[r] ? exponential(s[r][c] - shift) : 0;
            p[place.row(r)][place.column(c)] = e;
            added += e;
          }
          const float factor = exponential(before - shift);
          sum[r] = sum[r] * factor + across_row(added, [](float a, float other) { return a + other; });
#pragma unroll
          for (int c = 0; c < columns; ++c) y[r][c] *= factor;
        }
        __syncthreads();
        kv.template load<T>(call.v, b, kv_head, j, call.keys, int(call.width), 1);
        __syncthreads();
        multiply_add(
            kv, [&](int r, int i) { return p[place.row(r)][i]; },
            [&](int r, int i) { return j + i < seen[r]; }, y);
      }
#pragma unroll
      for (int r = 0; r < place.rows; ++r) {
        const int64_t t = first + place.row(r);
        const float inverse = reciprocal(sum[r]);
#pragma unroll
        for (int c = 0; c < columns; ++c) y[r][c] *= inverse;
        if (place.x == 0 && t < call.time) {
          call.lse[(b * call.heads + head) * call.time + t] =
              (most[r] == -INFINITY ? 0 : most[r]) + logf(sum[r]);
        }
      }
      store_rows<T, N>(call.y, b, head, first, call.time, int(call.width), 1, y);
    }
  }
}

pc_status simt_attention_forward(pc_queue& queue, const attention_call& call) {
  return with_tile<32, 32>(call, [&](auto storage, auto tag) -> pc_status {
    using T = typename decltype(storage)::type;
    using of = decltype(tag);
    const int64_t tiles = divide_up(call.time, of::size), blocks = call.batch * call.heads * tiles;
    if (blocks == 0) return PC_OK;
    return launch(queue, {blocks, tile_threads}, attention_forward_simt_kernel<T, of::width, of::size>, call,
                  tiles);
  });
}

}  // namespace cuda
}  // namespace polycom
