// Embedding on CUDA: native/ops/embedding/cpu.cpp has the formulas. An id out of range, which the CPU
// refuses, makes its row of y NaN, and adds nothing to the gradient.
#include <math.h>

#include "call.h"
#include "cuda_sort.cuh"
#include "runtime/cuda/packed.cuh"
#include "runtime/cuda/reduce.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;

// Rows in slots of E elements: a warp takes a row, or a part of a long one.
template <class T, int E>
__global__ void __launch_bounds__(threads, 4)
    embedding_forward_kernel(const embedding_call call, int64_t parts, int64_t work) {
  using slot_t = packed<T, E>;
  constexpr int slots = 4;
  const T* const table = static_cast<const T*>(call.table);
  T* const y = static_cast<T*>(call.y);
  const int lane = int(threadIdx.x) % warp_size;
  for (int64_t unit = int64_t(blockIdx.x) * (threads / warp_size) + threadIdx.x / warp_size; unit < work;
       unit += int64_t(gridDim.x) * (threads / warp_size)) {
    const int64_t n = unit / parts, first = (unit % parts * slots * warp_size + lane) * E;
    const int64_t id = call.ids[n];
    const bool inside = id >= 0 && id < call.rows;
    slot_t held[slots];
#pragma unroll
    for (int s = 0; s < slots; ++s) {
      const int64_t at = first + s * warp_size * E;
      float none[E];
      for (float& v : none) v = NAN;
      held[s] = slot_t::of(none);
      if (inside && at < call.cols)
        held[s] = load_whole(reinterpret_cast<const slot_t*>(table + id * call.cols + at));
    }
#pragma unroll
    for (int s = 0; s < slots; ++s) {
      const int64_t at = first + s * warp_size * E;
      if (at < call.cols) store_whole(reinterpret_cast<slot_t*>(y + n * call.cols + at), held[s]);
    }
  }
}

template <class T, int E>
pc_status forward_in_slots(const pc_queue& queue, const embedding_call& call) {
  const int64_t parts = divide_up(call.cols, 4 * warp_size * E), work = call.count * parts;
  return launch(queue, {divide_up(work, threads / warp_size), threads}, embedding_forward_kernel<T, E>, call,
                parts, work);
}

// The gradient's rows are sums over the ids in their order, cut into chunks of so many: an id that comes often is
// shared by many blocks.
constexpr int chunk = 32;

// What the blocks leave of an id whose places go on in another chunk: `head`, where they began before this one, `tail`
// where they go on behind it. Of each chunk and column.
struct open_sums {
  double *head, *tail;
};

// The sorted ids.
struct sorted_ids {
  const sort_key* keys;
  int64_t count;

  __device__ __forceinline__ int64_t id(int64_t k) const { return id_of(keys[k]); }
  __device__ __forceinline__ bool continues(int64_t k) const {
    return k > 0 && k < count && id(k - 1) == id(k);
  }
  __device__ __forceinline__ int64_t end_of(int64_t first) const {
    return first + chunk < count ? first + chunk : count;
  }
};

template <class T>
__global__ void __launch_bounds__(threads, 4)
    embedding_chunk_kernel(const embedding_call call, const sorted_ids sorted, const open_sums open,
                           int64_t tiles, int64_t work) {
  constexpr int ahead = 8;
  const T* const dy = static_cast<const T*>(call.dy);
  for (int64_t unit = blockIdx.x; unit < work; unit += gridDim.x) {
    const int64_t c = unit / tiles, col = unit % tiles * threads + threadIdx.x;
    const int64_t first = c * chunk, past = sorted.end_of(first);
    if (col >= call.cols) continue;
    bool began_before = sorted.continues(first);
    double sum = 0;
    for (int64_t from = first; from < past; from += ahead) {
      float values[ahead];
#pragma unroll
      for (int k = 0; k < ahead; ++k)
        values[k] = from + k < past ? float(dy[place_of(sorted.keys[from + k]) * call.cols + col]) : 0.0f;
#pragma unroll
      for (int k = 0; k < ahead; ++k) {
        const int64_t at = from + k;
        if (at >= past) break;
        sum += double(values[k]);
        const bool goes_on = sorted.continues(at + 1);
        if (goes_on && at + 1 < past) continue;
        const int64_t id = sorted.id(at);
        if (began_before) {
          open.head[c * call.cols + col] = sum;
        } else if (goes_on) {
          open.tail[c * call.cols + col] = sum;
        } else if (id < call.rows) {
          static_cast<T*>(call.dtable)[id * call.cols + col] = T(float(sum));
        }
        sum = 0;
        began_before = false;
      }
    }
  }
}

// Adds up what was left open, in the order of the chunks: the chunk where an id begins takes the others' sums.
template <class T>
__global__ void __launch_bounds__(threads, 4)
    embedding_join_kernel(const embedding_call call, const sorted_ids sorted, const open_sums open,
                          int64_t tiles, int64_t work) {
  for (int64_t unit = blockIdx.x; unit < work; unit += gridDim.x) {
    int64_t c = unit / tiles;
    const int64_t col = unit % tiles * threads + threadIdx.x, first = c * chunk, past = sorted.end_of(first);
    if (col >= call.cols || !sorted.continues(past)) continue;
    const int64_t id = sorted.id(past - 1);
    if (id >= call.rows || (sorted.continues(first) && sorted.id(first) == id)) continue;
    double sum = open.tail[c * call.cols + col];
    do {
      sum += open.head[++c * call.cols + col];
    } while (sorted.continues(sorted.end_of(c * chunk)) && sorted.id(sorted.end_of(c * chunk)) == id);
    static_cast<T*>(call.dtable)[id * call.cols + col] = T(float(sum));
  }
}

int64_t chunks_of_ids(const embedding_call& call) { return divide_up(call.count, chunk); }

}  // namespace

pc_status embedding_forward(pc_queue& queue, const embedding_call& call) {
  if (call.count == 0 || call.cols == 0) return PC_OK;
  return with_storage(call.dtype, [&](auto storage) {
    using T = typename decltype(storage)::type;
    constexpr int E = slot_elements<T, true>;
    const bool whole =
        call.cols % E == 0 && uintptr_t(call.table) % slot_bytes == 0 && uintptr_t(call.y) % slot_bytes == 0;
    return whole ? forward_in_slots<T, E>(queue, call) : forward_in_slots<T, 1>(queue, call);
  });
}

pc_status embedding_backward(pc_queue& queue, const embedding_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  const size_t bytes = size_t(call.rows * call.cols) * (call.dtype == PC_F32 ? 4 : 2);
  const device_scope device(queue.index);
  if (pc_status status = device.status("memset")) return status;
  const cudaError_t error = cudaMemsetAsync(call.dtable, 0, bytes, static_cast<cudaStream_t>(queue.stream));
  if (pc_status status = check(error, "memset")) return status;
  if (call.count == 0) return PC_OK;
  auto* keys = static_cast<sort_key*>(call.workspace);
  if (pc_status status = sort_ids(queue, call.ids, call.count, call.rows, keys)) return status;
  auto* head = reinterpret_cast<double*>(keys + call.count);
  const open_sums open{head, head + chunks_of_ids(call) * call.cols};
  const sorted_ids sorted{keys, call.count};
  const int64_t tiles = divide_up(call.cols, threads), work = chunks_of_ids(call) * tiles;
  const launch_shape shape{work, threads};
  return with_storage(call.dtype, [&](auto storage) {
    using T = typename decltype(storage)::type;
    if (pc_status status = launch(queue, shape, embedding_chunk_kernel<T>, call, sorted, open, tiles, work))
      return status;
    return launch(queue, shape, embedding_join_kernel<T>, call, sorted, open, tiles, work);
  });
}

// The sorted ids, and two rows of sums for each chunk of them.
int64_t embedding_workspace(const embedding_call& call) {
  return call.count * int64_t(sizeof(sort_key)) +
         2 * chunks_of_ids(call) * call.cols * int64_t(sizeof(double));
}

}  // namespace cuda
}  // namespace polycom
