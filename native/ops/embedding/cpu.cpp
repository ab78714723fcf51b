// Embedding on the CPU.
//   forward:  y[n] = table[ids[n]]
//   backward: dtable[v] = sum of dy[n] over the n with ids[n] = v, in the order of n, in double
// The ids are sorted by counting, so that every row of the table is written by one thread, once.
#include "call.h"
#include "runtime/cpu/ranges.h"
#include "runtime/cpu/storage.h"

namespace polycom {
namespace cpu {
namespace {

constexpr int64_t piece = 16384;  // elements
constexpr int64_t tile = 64;      // columns: few, so that threads share the work of a row that comes often
constexpr int64_t vectors = tile / lanes;

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

// sums[j] = the sum of dy[n][j] over the n of [from, to), for the vectors of a tile that is `width` wide.
template <class T>
PC_INLINE void sum_rows(const T* dy, int64_t stride, const int32_t* from, const int32_t* to, int64_t width,
                        wide_vec (&sums)[vectors]) {
  for (wide_vec& sum : sums) sum = wide_vec{};
  for (; from < to; ++from) {
    const T* row = dy + *from * stride;
    if (width == tile) {
      for (int64_t j = 0; j < vectors; ++j) sums[j] += widened(load(row + j * lanes));
    } else {
      for (int64_t j = 0; j * lanes < width; ++j)
        sums[j] +=
            widened(load_up_to(row + j * lanes, width - j * lanes < lanes ? width - j * lanes : lanes));
    }
  }
}

template <class T>
pc_status forward_as(pc_queue& queue, const embedding_call& call) {
  const T* table = static_cast<const T*>(call.table);
  const bool streaming = too_large_to_cache(call.count * call.cols * int64_t(sizeof(T)));
  for_each_range(queue, call.count, rows_of(piece, call.cols), [&](int64_t first, int64_t past) {
    for (int64_t n = first; n < past; ++n) {
      const T* row = table + int64_t(call.ids[n]) * call.cols;
      map(output<T>{static_cast<T*>(call.y) + n * call.cols}, call.cols, streaming,
          [&](int64_t i, int64_t count) { return load_up_to(row + i, count); });
    }
    if (streaming) fence_streaming();
  });
  return PC_OK;
}

template <class T>
pc_status backward_as(pc_queue& queue, const embedding_call& call) {
  const T* dy = static_cast<const T*>(call.dy);
  T* dtable = static_cast<T*>(call.dtable);
  int32_t *ends = static_cast<int32_t*>(call.workspace), *order = ends + call.rows;
  sort_ids(call, ends, order);
  const bool streaming = too_large_to_cache(call.rows * call.cols * int64_t(sizeof(T)));
  const auto start_of = [&](int64_t v) { return v == 0 ? 0 : ends[v - 1]; };
  // Most rows of a large table have no id: they are zeroed whole, so many at a time as lie together.
  for_each_range(queue, call.rows, rows_of(4 * piece, call.cols), [&](int64_t first, int64_t past) {
    for (int64_t v = first; v < past; ++v) {
      const int64_t empty = v;
      while (v < past && start_of(v) == ends[v]) ++v;
      map(output<T>{dtable + empty * call.cols}, (v - empty) * call.cols, streaming,
          [](int64_t, int64_t) { return vec{}; });
    }
    if (streaming) fence_streaming();
  });
  constexpr int64_t height = piece / tile;
  const int64_t tiles = (call.cols + tile - 1) / tile, blocks = (call.rows + height - 1) / height;
  for_each_range(queue, blocks * tiles, 1, [&](int64_t i, int64_t) {
    const int64_t first = i / tiles * height, col = i % tiles * tile;
    const int64_t past = first + height < call.rows ? first + height : call.rows;
    const int64_t width = call.cols - col < tile ? call.cols - col : tile;
    for (int64_t v = first; v < past; ++v) {
      if (start_of(v) == ends[v]) continue;
      wide_vec sums[vectors];
      sum_rows(dy + col, call.cols, order + start_of(v), order + ends[v], width, sums);
      float sum[tile];
      for (int64_t j = 0; j < vectors; ++j) store(sum + j * lanes, narrowed(sums[j]));
      map(output<T>{dtable + v * call.cols + col}, width, streaming,
          [&](int64_t j, int64_t n) { return load_up_to(sum + j, n); });
    }
    if (streaming) fence_streaming();
  });
  return PC_OK;
}

}  // namespace

namespace PC_ISA {

pc_status embedding_forward(pc_queue& queue, const embedding_call& call) {
  if (call.cols == 0) return PC_OK;
  return with_storage(
      call.dtype, [&](auto storage) { return forward_as<typename decltype(storage)::type>(queue, call); });
}

pc_status embedding_backward(pc_queue& queue, const embedding_call& call) {
  if (call.rows == 0 || call.cols == 0) return PC_OK;
  return with_storage(
      call.dtype, [&](auto storage) { return backward_as<typename decltype(storage)::type>(queue, call); });
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
