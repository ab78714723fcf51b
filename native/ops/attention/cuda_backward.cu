// Attention backward on tensor cores: dq by a block a tile of queries, then dk and dv by a block a tile of keys. Both
// compute the probabilities again; no gradient is added to by two blocks. Queries are those of all heads that share a head
// of k and v.
#include "cuda_products.cuh"
#include "math/exponential.h"

namespace polycom {
namespace cuda {

// --- kernels ---

// Of a query: what the kernel of keys is told by that of queries. [batch, kv_heads, rows].
struct query_sums {
  float lse, delta;
};

template <class T>
__device__ __forceinline__ float probability(float score, float lse) {
  return sizeof(T) == sizeof(float) ? exponential(score - lse) : short_exponential(score - lse);
}

// Goes over the rows from `begin` to `end` of two tensors, a tile of each at a time: body(its first row, the two tiles).
// With two stages the next ones are on their way meanwhile.
template <class T, int W, class Body>
__device__ __forceinline__ void for_each_tile(const row_source<T, W>& a, const row_source<T, W>& b, int begin,
                                              int end, char* room, Body body) {
  using of = attention_shape<T, W>;
  constexpr int N = of::backward_rows, stages = of::backward_stages, tile = N * tile_pitch<T, W>;
  const auto copy = [&](int from, int stage) {
    if (from < end) {
      a.copy(room + 2 * stage * tile, from, N);
      b.copy(room + (2 * stage + 1) * tile, from, N);
    }
    __pipeline_commit();
  };
  int stage = 0;
  if constexpr (stages > 1) copy(begin, 0);
#pragma unroll 1
  for (int i = begin; i < end; i += N) {
    copy(i + (stages - 1) * N, (stage + stages - 1) % stages);
    wait_for_copies(stages - 1);
    __syncthreads();
    body(i, room + 2 * stage * tile, room + (2 * stage + 1) * tile);
    __syncthreads();
    stage = (stage + 1) % stages;
  }
  wait_for_copies(0);
}

template <class T, int W>
__global__ void __launch_bounds__(mma_threads, mma_blocks)
    attention_queries_mma_kernel(const attention_call call, bool slots, query_sums* sums, int tiles) {
  if constexpr (has_mma) {
    using of = attention_shape<T, W>;
    constexpr int N = of::backward_rows, pitch = tile_pitch<T, W>,
                  block_rows = of::backward_warps * warp_rows;
    char* const q = static_cast<char*>(dynamic_shared());
    char *const dy = q + block_rows * pitch, *const room = dy + block_rows * pitch;
    const int warp = int(threadIdx.x) / warp_size, lane = lane_of_warp(), group = int(call.group());
    const int rows = int(call.time) * group, bytes = int(call.width) * int(sizeof(T));
    const int64_t count = call.batch * call.kv_heads * tiles;
    for (int64_t block = blockIdx.x; block < count; block += gridDim.x) {
      const int64_t kv_head = block % call.kv_heads, b = block / call.kv_heads % call.batch;
      const int first = (tiles - 1 - int(block / call.kv_heads / call.batch)) * block_rows;
      const auto seen_by = [&](int row) { return int(call.seen(b, row / group)); };
      const int last = first + block_rows < rows ? first + block_rows - 1 : rows - 1;
      const int own = first + warp * warp_rows, mine[2] = {own + lane / 4, own + lane / 4 + 8};
      const bool works = own < rows;
      const int end = seen_by(last), least = seen_by(first), whole = seen_by(works ? own : last);
      const row_source<T, W> queries(call, call.q, b, kv_head * group, call.time, group, slots);
      const row_source<T, W> upstream(call, call.dy, b, kv_head * group, call.time, group, slots);
      const row_source<T, W> keys(call, call.k, b, kv_head, call.keys, 1, slots);
      const row_source<T, W> values(call, call.v, b, kv_head, call.keys, 1, slots);
      queries.copy(q, first, block_rows);
      upstream.copy(dy, first, block_rows);
      __pipeline_commit();
      int seen[2];
      query_sums own_sums[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = mine[half] < rows ? mine[half] : last;
        seen[half] = seen_by(row);
        own_sums[half] = {
            call.lse[(b * call.heads + kv_head * group + row % group) * call.time + row / group], 0};
      }
      // delta = dy . y
      const row_source<T, W> results(call, call.y, b, kv_head * group, call.time, group, slots);
#pragma unroll 1
      for (int i = 0; i < warp_rows && own + i < rows; ++i) {
        const T *const y = results.row(own + i), *const g = upstream.row(own + i);
        float sum = 0;
        for (int d = lane; d < int(call.width); d += warp_size) sum += float(y[d]) * float(g[d]);
#pragma unroll
        for (int distance = 16; distance > 0; distance /= 2)
          sum += __shfl_xor_sync(0xffffffffu, sum, distance);
        if (i == lane / 4) own_sums[0].delta = sum;
        if (i == lane / 4 + 8) own_sums[1].delta = sum;
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        if (lane % 4 == 0 && mine[half] < rows)
          sums[(b * call.kv_heads + kv_head) * rows + mine[half]] = own_sums[half];
      }
      float dq[W / 8][4] = {};
      for_each_tile<T, W>(keys, values, 0, end, room, [&](int j, const char* k, const char* v) {
        const bool odd = j + N > least && __syncthreads_or(finds_odd<T, W>(k, N));
        if (!works) return;
        float s[N / 8][4], ds[N / 8][4];
        const char* const own_q = q + warp * warp_rows * pitch;
        multiply_transposed<T, W, N>(own_q, k, bytes, s);
        multiply_transposed<T, W, N>(own_q + (dy - q), v, bytes, ds);
#pragma unroll
        for (int n = 0; n < N / 8; ++n) {
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            const bool sees = j + n * 8 + lane % 4 * 2 + i % 2 < seen[i / 2];
            const query_sums& of_row = own_sums[i / 2];
            ds[n][i] =
                sees ? probability<T>(s[n][i] * call.scale, of_row.lse) * (ds[n][i] - of_row.delta) : 0;
          }
        }
        constexpr float factor[2] = {1, 1};
        const auto sees = [&](int half, int i) { return j + i < seen[half]; };
        multiply_add_seen<T, W, N>(ds, k, int(call.width), odd && j + N > whole, sees, factor, dq);
      });
      __syncthreads();
      if (!works) continue;
      const row_source<T, W> out(call, call.dq, b, kv_head * group, call.time, group, slots);
      const float scale[2] = {call.scale, call.scale};
      const auto row = [&](int r) { return const_cast<T*>(out.row(r)); };
      store_rows<T, W>(row, mine[0], rows, int(call.width), slots, scale, dq);
    }
  }
}

// dk, dv or both: the widest heads have no registers for both.
template <class T, int W, bool Dk, bool Dv>
__global__ void __launch_bounds__(mma_threads, mma_blocks)
    attention_keys_mma_kernel(const attention_call call, bool slots, const query_sums* sums, int tiles) {
  if constexpr (has_mma) {
    using of = attention_shape<T, W>;
    constexpr int N = of::backward_rows, pitch = tile_pitch<T, W>,
                  block_rows = of::backward_warps * warp_rows;
    char* const k = static_cast<char*>(dynamic_shared());
    char *const v = k + block_rows * pitch, *const room = v + block_rows * pitch;
    const int warp = int(threadIdx.x) / warp_size, lane = lane_of_warp(), group = int(call.group());
    const int rows = int(call.time) * group, bytes = int(call.width) * int(sizeof(T));
    const int64_t count = call.batch * call.kv_heads * tiles;
    for (int64_t block = blockIdx.x; block < count; block += gridDim.x) {
      const int64_t kv_head = block % call.kv_heads, b = block / call.kv_heads % call.batch;
      const int first =
          int(block / call.kv_heads / call.batch) * block_rows;  // the first keys are seen by the most
      const int own = first + warp * warp_rows, mine = own + lane / 4;
      const bool works = own < call.keys;
      // The first row that sees a key: those after it do too.
      const auto seen_from = [&](int key) {
        const int64_t t = call.first_to_see(b, key < call.keys ? key : call.keys - 1);
        return t < call.time ? int(t) * group : rows;
      };
      const int from[2] = {seen_from(mine), seen_from(mine + 8)};
      const int begin = seen_from(first), all = seen_from(first + block_rows - 1),
                whole = seen_from(own + warp_rows - 1);
      const row_source<T, W> keys(call, call.k, b, kv_head, call.keys, 1, slots);
      const row_source<T, W> values(call, call.v, b, kv_head, call.keys, 1, slots);
      const row_source<T, W> queries(call, call.q, b, kv_head * group, call.time, group, slots);
      const row_source<T, W> upstream(call, call.dy, b, kv_head * group, call.time, group, slots);
      keys.copy(k, first, block_rows);
      values.copy(v, first, block_rows);
      __pipeline_commit();
      const query_sums* const of_head = sums + (b * call.kv_heads + kv_head) * rows;
      float dk[W / 8][4] = {}, dv[W / 8][4] = {};
      for_each_tile<T, W>(queries, upstream, begin, rows, room, [&](int r, const char* q, const char* dy) {
        const bool odd =
            r < all && __syncthreads_or((Dk && finds_odd<T, W>(q, N)) || (Dv && finds_odd<T, W>(dy, N)));
        if (!works) return;
        // Rows of keys, columns of queries.
        float p[N / 8][4], ds[N / 8][4];
        const char* const own_k = k + warp * warp_rows * pitch;
        multiply_transposed<T, W, N>(own_k, q, bytes, p);
        if constexpr (Dk) multiply_transposed<T, W, N>(own_k + (v - k), dy, bytes, ds);
        const auto sees = [&](int half, int i) { return r + i >= from[half] && r + i < rows; };
#pragma unroll
        for (int n = 0; n < N / 8; ++n) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int column = n * 8 + lane % 4 * 2 + e;
            const query_sums of_query = r + column < rows ? of_head[r + column] : query_sums{};
#pragma unroll
            for (int half = 0; half < 2; ++half) {
              const int i = 2 * half + e;
              const bool seen = sees(half, column);
              p[n][i] = seen ? probability<T>(p[n][i] * call.scale, of_query.lse) : 0;
              if constexpr (Dk) ds[n][i] = seen ? p[n][i] * (ds[n][i] - of_query.delta) : 0;
            }
          }
        }
        constexpr float factor[2] = {1, 1};
        const auto add = [&](const float(&weights)[N / 8][4], const char* b, float(&to)[W / 8][4]) {
          multiply_add_seen<T, W, N>(weights, b, int(call.width), odd && r < whole, sees, factor, to);
        };
        if constexpr (Dv) add(p, dy, dv);
        if constexpr (Dk) add(ds, q, dk);
      });
      __syncthreads();
      if (!works) continue;
      const auto store = [&](const heads_view& view, float factor, const float(&values)[W / 8][4]) {
        const row_source<T, W> out(call, view, b, kv_head, call.keys, 1, slots);
        const auto row = [&](int r) { return const_cast<T*>(out.row(r)); };
        const float factors[2] = {factor, factor};
        store_rows<T, W>(row, mine, int(call.keys), int(call.width), slots, factors, values);
      };
      if constexpr (Dk) store(call.dk, call.scale, dk);
      if constexpr (Dv) store(call.dv, 1, dv);
    }
  }
}

// --- launchers ---

pc_status mma_attention_backward(pc_queue& queue, const attention_call& call) {
  auto* const sums = static_cast<query_sums*>(call.workspace);
  return with_storage_and_width(call, [&](auto storage, auto width) -> pc_status {
    constexpr int W = decltype(width)::width;
    using T = typename decltype(storage)::type;
    using of = attention_shape<T, W>;
    constexpr int threads = of::backward_warps * warp_size;
    const bool slots = has_whole_slots(call, sizeof(T));
    const int64_t heads = call.batch * call.kv_heads;
    const int query_tiles = int(divide_up(call.time * call.group(), int64_t(of::block_rows)));
    const int key_tiles = int(divide_up(call.keys, int64_t(of::block_rows)));
    const launch_shape of_queries{heads * query_tiles, threads, of::backward_bytes},
        of_keys{heads * key_tiles, threads, of::backward_bytes};
    if (of_queries.blocks > 0) {
      const auto kernel = attention_queries_mma_kernel<T, W>;
      if (pc_status status = launch_tiles(queue, of_queries, kernel, call, slots, sums, query_tiles))
        return status;
    }
    if (of_keys.blocks == 0) return PC_OK;
    const auto launch_keys = [&](auto kernel) {
      return launch_tiles(queue, of_keys, kernel, call, slots, static_cast<const query_sums*>(sums),
                          key_tiles);
    };
    if constexpr (W <= 128) {
      return launch_keys(attention_keys_mma_kernel<T, W, true, true>);
    } else {
      if (pc_status status = launch_keys(attention_keys_mma_kernel<T, W, true, false>)) return status;
      return launch_keys(attention_keys_mma_kernel<T, W, false, true>);
    }
  });
}

// What the kernel of keys is told of each query.
int64_t attention_backward_workspace(const attention_call& call) {
  return call.batch * call.heads * call.time * int64_t(sizeof(query_sums));
}

}  // namespace cuda
}  // namespace polycom
