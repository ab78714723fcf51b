// Embedding on the CPU.
//   forward:  y[n] = table[ids[n]]
//   backward: dtable[v] = sum of dy[n] over the n with ids[n] = v, in the order of n, in double
// The ids are sorted by counting, so that every row of the table is written by one thread, once.
#include "core/embedding.h"

#include "cpu/ranges.h"
#include "cpu/simd.h"

namespace polycom {
namespace cpu {
namespace {

constexpr int64_t piece = 16384;  // floats
constexpr int64_t tile = 64;      // columns: few, so that threads share the work of a row that comes often

// order: the indices of the ids, by id; ends[v]: where those of v end, in it.
void sort_ids(const embedding_call& call, int32_t* ends, int32_t* order) {
  memset(ends, 0, size_t(call.rows) * sizeof *ends);
  for (int64_t n = 0; n < call.count; ++n) ++ends[call.ids[n]];
  int32_t before = 0;
  for (int64_t v = 0; v < call.rows; ++v) {
    const int32_t here = ends[v];
    ends[v] = before;
    before += here;
  }
  for (int64_t n = 0; n < call.count; ++n) order[ends[call.ids[n]]++] = int32_t(n);
}

}  // namespace

namespace PC_ISA {

pc_status embedding_forward(pc_queue& queue, const embedding_call& call) {
  if (call.cols == 0) return PC_OK;
  const size_t bytes = size_t(call.cols) * sizeof(float);
  for_each_range(queue, call.count, rows_of(piece, call.cols), [&](int64_t first, int64_t past) {
    for (int64_t n = first; n < past; ++n)
      memcpy(call.y + n * call.cols, call.table + int64_t(call.ids[n]) * call.cols, bytes);
  });
  return PC_OK;
}

pc_status embedding_backward(pc_queue& queue, const embedding_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  int32_t *ends = call.workspace, *order = ends + call.rows;
  sort_ids(call, ends, order);
  const bool streaming = too_large_to_cache(call.rows * call.cols * int64_t(sizeof(float)));
  constexpr int64_t height = piece / tile;
  const int64_t tiles = (call.cols + tile - 1) / tile, blocks = (call.rows + height - 1) / height;
  for_each_range(queue, blocks * tiles, 1, [&](int64_t i, int64_t) {
    const int64_t first = i / tiles * height, col = i % tiles * tile;
    const int64_t past = first + height < call.rows ? first + height : call.rows;
    const int64_t width = call.cols - col < tile ? call.cols - col : tile;
    const float* dy = call.dy + col;
    for (int64_t v = first; v < past; ++v) {
      const int32_t begin = v == 0 ? 0 : ends[v - 1], end = ends[v];
      map(output<float>{call.dtable + v * call.cols + col}, width, streaming, [&](int64_t j, int64_t n) {
        wide_vec sum{};
        for (int32_t k = begin; k < end; ++k) sum += widened(load_up_to(dy + order[k] * call.cols + j, n));
        return narrowed(sum);
      });
    }
    if (streaming) fence_streaming();
  });
  return PC_OK;
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
