// Attention forward on tensor cores: a block has a tile of queries, those of all heads that share a head of k and v, and
// steps through their keys with a running softmax; while scores are computed the values are on their way, and the next
// keys while these are used. Where that is few blocks for many keys, as when decoding, the keys are cut into parts, which
// a second kernel combines.
#include "cuda_products.cuh"
#include "math/exponential.h"

namespace polycom {
namespace cuda {

// --- kernels ---

// Of a query and a part of the keys: [part][batch, heads, time] of y and of lse.
struct attention_parts {
  int count, keys;  // each of so many keys
  bool slots;
  float *y, *lse;  // null where there is one part
};

// exp as right as what is stored can show.
template <class T>
__device__ __forceinline__ float exponential_for(float x) {
  return sizeof(T) == sizeof(float) ? exponential(x) : short_exponential(x);
}

// A lane's two rows of a running softmax.
template <class T, int N>
struct running_softmax {
  float most[2] = {-INFINITY, -INFINITY}, sum[2] = {};

  // Scores become weights, those from `seen[row]` on 0; `factor` is what what has been summed is worth now.
  __device__ __forceinline__ void take(float (&s)[N / 8][4], const int (&seen)[2], float (&factor)[2]) {
    const int column = lane_of_warp() % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = -INFINITY, added = 0;
#pragma unroll
      for (int n = 0; n < N / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& score = s[n][2 * half + e];
          if (n * 8 + column + e >= seen[half]) score = -INFINITY;
          if (score > largest) largest = score;
        }
      }
      largest = across_row(largest, [](float a, float b) { return a > b ? a : b; });
      const float before = most[half];
      if (largest > before) most[half] = largest;
      const float shift = most[half] == -INFINITY ? 0 : most[half];
#pragma unroll
      for (int n = 0; n < N / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& score = s[n][2 * half + e];
          score = exponential_for<T>(score - shift);
          added += score;
        }
      }
      factor[half] = exponential_for<T>(before - shift);
      sum[half] = sum[half] * factor[half] + across_row(added, [](float a, float b) { return a + b; });
    }
  }

  __device__ float lse(int half) const {
    return (most[half] == -INFINITY ? 0 : most[half]) + logf(sum[half]);
  }
};

template <class T, int W>
__global__ void __launch_bounds__(mma_threads, mma_blocks)
    attention_forward_mma_kernel(const attention_call call, const attention_parts parts, int tiles) {
  if constexpr (has_mma) {
    constexpr int N = attention_shape<T, W>::forward_keys, pitch = tile_pitch<T, W>;
    const int block_rows = int(blockDim.x) / warp_size * warp_rows;
    char* const q = static_cast<char*>(dynamic_shared());
    char *const k = q + block_rows * pitch, *const v = k + N * pitch;
    const int warp = int(threadIdx.x) / warp_size, lane = lane_of_warp(), group = int(call.group());
    const int rows = int(call.time) * group, bytes = int(call.width) * int(sizeof(T));
    const int64_t count = call.batch * call.kv_heads * tiles * parts.count;
    for (int64_t block = blockIdx.x; block < count; block += gridDim.x) {
      const int part = int(block % parts.count);
      const int64_t of = block / parts.count, kv_head = of % call.kv_heads,
                    b = of / call.kv_heads % call.batch;
      // The last tiles have the most keys: first.
      const int first = (tiles - 1 - int(of / call.kv_heads / call.batch)) * block_rows;
      const auto seen_by = [&](int row) { return int(call.seen(b, row / group)); };
      const int last = first + block_rows < rows ? first + block_rows - 1 : rows - 1;
      const int begin = part * parts.keys, stop = begin + parts.keys, all = seen_by(last);
      const int end = all < stop ? all : stop;
      const int own = first + warp * warp_rows, mine = own + lane / 4;
      const bool works = own < rows;
      const int seen[2] = {seen_by(mine < rows ? mine : last), seen_by(mine + 8 < rows ? mine + 8 : last)};
      const int whole = seen_by(works ? own : last), least = seen_by(first);
      const row_source<T, W> queries(call, call.q, b, kv_head * group, call.time, group, parts.slots);
      const row_source<T, W> keys(call, call.k, b, kv_head, call.keys, 1, parts.slots);
      const row_source<T, W> values(call, call.v, b, kv_head, call.keys, 1, parts.slots);
      running_softmax<T, N> softmax;
      float y[W / 8][4] = {};
      queries.copy(q, first, block_rows);
      if (begin < end) keys.copy(k, begin, N);
      __pipeline_commit();
#pragma unroll 1
      for (int j = begin; j < end; j += N) {
        values.copy(v, j, N);
        __pipeline_commit();
        wait_for_copies(1);
        __syncthreads();
        float s[N / 8][4], factor[2];
        if (works) {
          multiply_transposed<T, W, N>(q + warp * warp_rows * pitch, k, bytes, s);
#pragma unroll
          for (int n = 0; n < N / 8; ++n) {
#pragma unroll
            for (int i = 0; i < 4; ++i) s[n][i] *= call.scale;
          }
        }
        __syncthreads();
        if (j + N < end) keys.copy(k, j + N, N);
        __pipeline_commit();
        // A part ends at a multiple of N.
        const int limits[2] = {seen[0] - j, seen[1] - j};
        if (works) softmax.take(s, limits, factor);
        wait_for_copies(1);
        __syncthreads();
        const bool odd = j + N > least && __syncthreads_or(finds_odd<T, W>(v, N));
        const auto sees = [&](int half, int i) { return i < limits[half]; };
        if (works) multiply_add_seen<T, W, N>(s, v, int(call.width), odd && j + N > whole, sees, factor, y);
        __syncthreads();
      }
      wait_for_copies(0);
      __syncthreads();
      if (!works) continue;
      const int64_t heads = b * call.heads + kv_head * group, part_rows = call.batch * call.heads * call.time;
      const auto stored = [&](int row) { return (heads + row % group) * call.time + row / group; };
      float* const lse = parts.y == nullptr ? call.lse : parts.lse + part * part_rows;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = mine + half * 8;
        if (lane % 4 == 0 && row < rows) lse[stored(row)] = softmax.lse(half);
      }
      const float inverse[2] = {reciprocal(softmax.sum[0]), reciprocal(softmax.sum[1])};
      if (parts.y == nullptr) {
        const row_source<T, W> out(call, call.y, b, kv_head * group, call.time, group, parts.slots);
        const auto row = [&](int r) { return const_cast<T*>(out.row(r)); };
        store_rows<T, W>(row, mine, rows, int(call.width), parts.slots, inverse, y);
      } else {
        // 0 / 0, of a part that a query sees nothing of, is none of it.
        const float share[2] = {softmax.sum[0] == 0 ? 0 : inverse[0], softmax.sum[1] == 0 ? 0 : inverse[1]};
        const auto row = [&](int r) { return parts.y + (part * part_rows + stored(r)) * call.width; };
        store_rows<float, W>(row, mine, rows, int(call.width), call.width % 2 == 0, share, y);
      }
    }
  }
}

// y and lse of every query out of those of its parts, a warp a query.
template <class T>
__global__ void __launch_bounds__(mma_threads)
    attention_combine_kernel(const attention_call call, const attention_parts parts) {
  const int64_t rows = call.batch * call.heads * call.time,
                warps = int64_t(gridDim.x) * (mma_threads / warp_size);
  const int lane = lane_of_warp();
  for (int64_t row = (int64_t(blockIdx.x) * mma_threads + threadIdx.x) / warp_size; row < rows;
       row += warps) {
    float most = -INFINITY, sum = 0;
    for (int part = 0; part < parts.count; ++part) {
      const float lse = parts.lse[part * rows + row];
      if (lse > most) most = lse;
    }
    const float shift = most == -INFINITY ? 0 : most;
    for (int part = 0; part < parts.count; ++part) sum += exponential(parts.lse[part * rows + row] - shift);
    const float lse = shift + logf(sum);
    if (lane == 0) call.lse[row] = lse;
    const int64_t t = row % call.time, head = row / call.time % call.heads, b = row / call.time / call.heads;
    T* const to = call.y.row<T>(b, t, head);
    for (int64_t d = lane; d < call.width; d += warp_size) {
      float y = 0;
      for (int part = 0; part < parts.count; ++part) {
        const float share = exponential(parts.lse[part * rows + row] - shift);
        if (share != 0) y += share * parts.y[(part * rows + row) * call.width + d];
      }
      to[d] = T(y * reciprocal(sum));
    }
  }
}

// --- launchers ---

namespace {

// Keys are cut until there are so many blocks, two for each multiprocessor of the largest GPUs, but not into fewer than
// so many.
constexpr int64_t wanted_blocks = 264, least_keys = 256;

// Threads for a pass's queries: each warp has 16 of them.
int forward_threads(const attention_call& call) {
  return call.time * call.group() <= 2 * warp_rows ? 64 : mma_threads;
}

int64_t tiles_of(const attention_call& call, int threads) {
  return divide_up(call.time * call.group(), int64_t(threads / warp_size) * warp_rows);
}

// By the shape alone, for the parts are part of how a sum is rounded.
attention_parts cut_keys(const attention_call& call) {
  const int64_t blocks = call.batch * call.kv_heads * tiles_of(call, forward_threads(call));
  if (blocks == 0) return {1, int(call.keys), false, nullptr, nullptr};
  const int64_t most = divide_up(wanted_blocks, blocks), parts = call.keys / least_keys;
  const int64_t count = most < parts ? most : parts;
  if (count <= 1) return {1, int(call.keys), false, nullptr, nullptr};
  const int64_t keys = divide_up(divide_up(call.keys, count), 64) * 64;
  return {int(divide_up(call.keys, keys)), int(keys), false, nullptr, nullptr};
}

int64_t lse_bytes(const attention_call& call, const attention_parts& parts) {
  return parts.count * call.batch * call.heads * call.time * int64_t(sizeof(float));
}

}  // namespace

int64_t attention_forward_workspace(const attention_call& call) {
  const attention_parts parts = cut_keys(call);
  return parts.count == 1 ? 0 : lse_bytes(call, parts) * (1 + call.width);
}

pc_status mma_attention_forward(pc_queue& queue, const attention_call& call) {
  const int threads = forward_threads(call);
  const int64_t tiles = tiles_of(call, threads);
  attention_parts parts = cut_keys(call);
  const int64_t blocks = call.batch * call.kv_heads * tiles * parts.count;
  if (blocks == 0) return PC_OK;
  if (parts.count > 1) {
    parts.y = static_cast<float*>(call.workspace);
    parts.lse = parts.y + lse_bytes(call, parts) / int64_t(sizeof(float)) * call.width;
  }
  return with_storage_and_width(call, [&](auto storage, auto width) -> pc_status {
    constexpr int W = decltype(width)::width;
    using T = typename decltype(storage)::type;
    parts.slots = has_whole_slots(call, sizeof(T));
    const int rows = threads / warp_size * warp_rows;
    const launch_shape shape{blocks, threads, attention_shape<T, W>::forward_bytes(rows)};
    const auto kernel = attention_forward_mma_kernel<T, W>;
    if (pc_status status = launch_tiles(queue, shape, kernel, call, parts, int(tiles))) return status;
    if (parts.count == 1) return PC_OK;
    const int64_t queries = call.batch * call.heads * call.time;
    return launch(queue, {divide_up(queries, mma_threads / warp_size), mma_threads},
                  attention_combine_kernel<T>, call, parts);
  });
}

}  // namespace cuda
}  // namespace polycom
