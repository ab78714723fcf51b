// Tiles of the attention on tensor cores: rows of q, k, v or dy in shared memory, as they are stored.
#pragma once
#include "cuda.cuh"
#include "runtime/cuda/async.cuh"
#include "runtime/cuda/reduce.cuh"

namespace polycom {
namespace cuda {

// The bytes between rows of a tile. W: the width, padded. Rows that follow one another begin 16 bytes further in the
// banks, so that 8 of them are read at once.
template <class T, int W>
constexpr int tile_pitch = W * int(sizeof(T)) + 16;

constexpr int mma_threads = 128;  // at most
constexpr int mma_blocks =
    2;  // a multiprocessor's: registers for them, and no fewer, or ptxas would rather spill
constexpr int warp_rows = 16;

// What is launched on tensor cores for storage T and heads of W elements, padded.
template <class T, int W>
struct attention_shape {
  // Keys of a forward tile: as many as registers have room for; rows of the other side of a backward one.
  static constexpr bool is_short = sizeof(T) < sizeof(float);
  static constexpr int forward_keys = is_short ? (W > 128 ? 32 : 64) : (W > 128 ? 16 : 32);
  static constexpr int backward_rows = W > 64 ? 16 : 32;
  // Backward tiles of which one is computed with and another on its way, where shared memory has room for both.
  static constexpr int backward_stages = W > 128 && !is_short ? 1 : 2;
  static constexpr int backward_warps = W > 128 && !is_short ? 2 : 4;

  static constexpr int pitch = tile_pitch<T, W>, block_rows = backward_warps * warp_rows;
  static constexpr int64_t forward_bytes(int rows) { return (rows + 2 * forward_keys) * pitch; }
  static constexpr int64_t backward_bytes = 2 * (block_rows + backward_stages * backward_rows) * pitch;
};

// The rows of one head of k or v; or of the heads of q that share it, one behind the other, time by time.
template <class T, int W>
struct row_source {
  const char* base;              // of row 0
  int64_t time_step, head_step;  // bytes
  int rows, group, width;        // group: the rows of a time
  bool slots;                    // all of them are whole slots of 16 bytes

  __device__ __forceinline__ row_source(const attention_call& call, const heads_view& view, int64_t b,
                                        int64_t head, int64_t times, int64_t of_time, bool whole)
      : base(static_cast<const char*>(view.data) + (b * view.batch + head * view.head) * int64_t(sizeof(T))),
        time_step(view.time * int64_t(sizeof(T))),
        head_step(view.head * int64_t(sizeof(T))),
        rows(int(times * of_time)),
        group(int(of_time)),
        width(int(call.width)),
        slots(whole) {}

  __device__ const T* row(int r) const {
    return reinterpret_cast<const T*>(base + r / group * time_step + r % group * head_step);
  }

  // `count` rows from `first`: those that there are not, and what lies beyond the width, as 0. Copies may be on their way
  // yet afterwards.
  __device__ __forceinline__ void copy(char* tile, int first, int count) const {
    constexpr int row_slots = W * int(sizeof(T)) / slot_bytes, elements = slot_bytes / int(sizeof(T));
    const int step = int(blockDim.x) / row_slots, slot = int(threadIdx.x) % row_slots;
    int row = int(threadIdx.x) / row_slots, member = (first + row) % group;
    const int left = rows - first, columns = width - slot * elements;
    const int next_member = step % group;
    const int64_t next = step / group * time_step + next_member * head_step;
    const char* from = base + (first + row) / group * time_step + member * head_step + slot * slot_bytes;
    char* to = tile + row * tile_pitch<T, W> + slot * slot_bytes;
    for (; row < count; row += step) {
      if (row >= left || columns <= 0) {
        *reinterpret_cast<uint4*>(to) = uint4{};
      } else if (slots) {
        __pipeline_memcpy_async(to, from, slot_bytes);
      } else {
        const T* const in = reinterpret_cast<const T*>(from);
        T* const out = reinterpret_cast<T*>(to);
#pragma unroll
        for (int e = 0; e < elements; ++e) out[e] = e < columns ? in[e] : T(0.0f);
      }
      to += step * tile_pitch<T, W>;
      from += next;
      member += next_member;
      if (member >= group) {
        member -= group;
        from += time_step - group * head_step;
      }
    }
  }
};

// Whether this thread finds an infinity or a NaN in its share of a tile.
template <class T, int W>
__device__ __forceinline__ bool finds_odd(const char* tile, int count) {
  constexpr int row_slots = W * int(sizeof(T)) / slot_bytes, elements = slot_bytes / int(sizeof(T));
  bool odd = false;
  for (int i = int(threadIdx.x); i < count * row_slots; i += int(blockDim.x)) {
    const char* const at = tile + i / row_slots * tile_pitch<T, W> + i % row_slots * slot_bytes;
    const auto slot = load_whole(reinterpret_cast<const packed<T, elements>*>(at));
#pragma unroll
    for (int e = 0; e < elements; ++e) odd |= slot[e] - slot[e] != 0;
  }
  return odd;
}

}  // namespace cuda
}  // namespace polycom
