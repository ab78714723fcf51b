// Attention backward by plain arithmetic: delta, then dk and dv by a block a tile of keys, then dq by a block a tile of
// queries. Both compute the probabilities again; no gradient is added to by two blocks.
#include "cuda_simt.cuh"

namespace polycom {
namespace cuda {

// --- kernels ---

// delta[batch, heads, time] = dy . y, a warp a row.
template <class T>
__global__ void __launch_bounds__(tile_threads)
    attention_delta_simt_kernel(const attention_call call, float* delta) {
  const int64_t rows = call.batch * call.heads * call.time, warps = int64_t(gridDim.x) * (tile_threads / 32);
  const int lane = int(threadIdx.x) % 32;
  for (int64_t row = int64_t(blockIdx.x) * (tile_threads / 32) + threadIdx.x / 32; row < rows; row += warps) {
    const int64_t t = row % call.time, head = row / call.time % call.heads, b = row / call.time / call.heads;
    const T *y = call.y.row<T>(b, t, head), *dy = call.dy.row<T>(b, t, head);
    float sum = 0;
    for (int64_t d = lane; d < call.width; d += 32) sum += float(y[d]) * float(dy[d]);
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
    if (lane == 0) delta[row] = sum;
  }
}

// What both kernels have in shared memory: two tiles at a time, of queries and of keys. p and ds: [query][key].
template <class T, int W, int N>
struct backward_tiles {
  tile<W, N> queries, keys;
  float p[N][N + 1], ds[N][N + 1];

  // Rows of two tensors in place of what was there.
  __device__ void load(const attention_call& call, const heads_view& of_queries, const heads_view& of_keys,
                       int64_t b, int64_t head, int64_t t, int64_t j, float factor) {
    __syncthreads();
    queries.template load<T>(of_queries, b, head, t, call.time, int(call.width), factor);
    keys.template load<T>(of_keys, b, head / call.group(), j, call.keys, int(call.width), 1);
    __syncthreads();
  }

  // p and ds of the tiles of queries from t and keys from j; of what is not seen, 0. Leaves dy and v.
  __device__ __forceinline__ void fill(const attention_call& call, const float* delta, int64_t b,
                                       int64_t head, int64_t t, int64_t j) {
    const tile_place<N> place;
    float s[place.rows][place.columns], dp[place.rows][place.columns];
    load(call, call.q, call.k, b, head, t, j, call.scale);
    multiply_transposed(queries, keys, s);
    load(call, call.dy, call.v, b, head, t, j, 1);
    multiply_transposed(queries, keys, dp);
    const int64_t stored = (b * call.heads + head) * call.time + t;
#pragma unroll
    for (int r = 0; r < place.rows; ++r) {
      const int row = place.row(r);
      const bool inside = t + row < call.time;
      const int64_t seen = inside ? call.seen(b, t + row) : 0;
      const float lse = inside ? call.lse[stored + row] : 0, shift = inside ? delta[stored + row] : 0;
#pragma unroll
      for (int c = 0; c < place.columns; ++c) {
        const int column = place.column(c);
        const bool sees = j + column < seen;
        const float e = sees ? exponential(s[r][c] - lse) : 0;
        p[row][column] = e;
        ds[row][column] = sees ? e * (dp[r][c] - shift) : 0;
      }
    }
    __syncthreads();
  }
};

template <class T, int W, int N>
__global__ void __launch_bounds__(tile_threads)
    attention_keys_simt_kernel(const attention_call call, const float* delta, int64_t tiles) {
  if constexpr (needs_simt) {
    constexpr int columns = W / tile_columns_of_threads;
    __shared__ backward_tiles<T, W, N> tiles_of;
    const tile_place<N> place;
    const int64_t count = call.batch * call.kv_heads * tiles;
    for (int64_t block = blockIdx.x; block < count; block += gridDim.x) {
      const int64_t kv_head = block % call.kv_heads, b = block / call.kv_heads % call.batch;
      const int64_t first = block / call.kv_heads / call.batch * N;  // the first keys are seen by the most
      float dk[place.rows][columns] = {}, dv[place.rows][columns] = {};
      const int64_t from = call.first_to_see(b, first);
      for (int64_t head = kv_head * call.group(); head < (kv_head + 1) * call.group(); ++head) {
        for (int64_t t = from; t < call.time; t += N) {
          tiles_of.fill(call, delta, b, head, t, first);
          const auto sees = [&](int r, int i) {
            return t + i < call.time && first + place.row(r) < call.seen(b, t + i);
          };
          multiply_add(tiles_of.queries, [&](int r, int i) { return tiles_of.p[i][place.row(r)]; }, sees, dv);
          tiles_of.load(call, call.q, call.k, b, head, t, first, call.scale);
          multiply_add(
              tiles_of.queries, [&](int r, int i) { return tiles_of.ds[i][place.row(r)]; }, sees, dk);
        }
      }
      store_rows<T, N>(call.dk, b, kv_head, first, call.keys, int(call.width), 1, dk);
      store_rows<T, N>(call.dv, b, kv_head, first, call.keys, int(call.width), 1, dv);
    }
  }
}

template <class T, int W, int N>
__global__ void __launch_bounds__(tile_threads)
    attention_queries_simt_kernel(const attention_call call, const float* delta, int64_t tiles) {
  if constexpr (needs_simt) {
    constexpr int columns = W / tile_columns_of_threads;
    __shared__ backward_tiles<T, W, N> tiles_of;
    const tile_place<N> place;
    const int64_t count = call.batch * call.heads * tiles;
    for (int64_t block = blockIdx.x; block < count; block += gridDim.x) {
      const int64_t head = block % call.heads, b = block / call.heads % call.batch;
      const int64_t first = (tiles - 1 - block / call.heads / call.batch) * N;
      const int64_t last = first + N < call.time ? first + N - 1 : call.time - 1;
      const int64_t keys = call.seen(b, last);
      float dq[place.rows][columns] = {};
      for (int64_t j = 0; j < keys; j += N) {
        tiles_of.fill(call, delta, b, head, first, j);
        tiles_of.load(call, call.q, call.k, b, head, first, j, 1);
        multiply_add(
            tiles_of.keys, [&](int r, int i) { return tiles_of.ds[place.row(r)][i]; },
            [&](int r, int i) { return j + i < call.seen(b, first + place.row(r)); }, dq);
      }
      store_rows<T, N>(call.dq, b, head, first, call.time, int(call.width), call.scale, dq);
    }
  }
}

// --- launchers ---

pc_status simt_attention_backward(pc_queue& queue, const attention_call& call) {
  float* const delta = static_cast<float*>(call.workspace);
  return with_tile<32, 16>(call, [&](auto storage, auto tag) -> pc_status {
    using T = typename decltype(storage)::type;
    using of = decltype(tag);
    const int64_t rows = call.batch * call.heads * call.time, query_tiles = divide_up(call.time, of::size);
    const int64_t key_tiles = divide_up(call.keys, of::size),
                  key_blocks = call.batch * call.kv_heads * key_tiles;
    if (rows > 0) {
      const launch_shape shape{divide_up(rows, tile_threads / 32), tile_threads};
      if (pc_status status = launch(queue, shape, attention_delta_simt_kernel<T>, call, delta)) return status;
      const auto kernel = attention_queries_simt_kernel<T, of::width, of::size>;
      const launch_shape of_queries{call.batch * call.heads * query_tiles, tile_threads};
      if (pc_status status = launch(queue, of_queries, kernel, call, delta, query_tiles)) return status;
    }
    if (key_blocks == 0) return PC_OK;
    return launch(queue, {key_blocks, tile_threads}, attention_keys_simt_kernel<T, of::width, of::size>, call,
                  delta, key_tiles);
  });
}

}  // namespace cuda
}  // namespace polycom
