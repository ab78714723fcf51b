// How the CPU kernels cut a call into chunks: by the shape alone,
// so that sums repeat whatever the threads do.
#pragma once
#include <stdint.h>

namespace polycom {
namespace cpu {

struct partition {
  int64_t rows_per_chunk;
  int64_t cols_per_chunk;  // less than a row only where a long row may be cut
  int64_t segments;        // chunks to a row, then
  int64_t count;
};

// About 64 K elements a chunk: some 10 microseconds of work, several chunks a core on tensors worth sharing.
static inline partition cut(int64_t rows, int64_t cols, bool whole_rows) {
  constexpr int64_t target = 65536;
  if (rows == 0 || cols == 0) return {1, 1, 1, 0};
  if (whole_rows || cols <= target) {
    const int64_t rows_per_chunk = cols < target ? target / cols : 1;
    return {rows_per_chunk, cols, 1, (rows + rows_per_chunk - 1) / rows_per_chunk};
  }
  const int64_t segments = (cols + target - 1) / target;
  return {1, target, segments, rows * segments};
}

// Chunk i: rows [row, row_end), columns [col, col_end).
struct chunk {
  int64_t row, row_end, col, col_end;
};

static inline chunk chunk_at(const partition& p, int64_t rows, int64_t cols, int64_t i) {
  const int64_t row = i / p.segments * p.rows_per_chunk, col = i % p.segments * p.cols_per_chunk;
  const int64_t row_end = row + p.rows_per_chunk, col_end = col + p.cols_per_chunk;
  return {row, row_end < rows ? row_end : rows, col, col_end < cols ? col_end : cols};
}

// Rows in chunks: enough to share, and few, so that each can leave a row of sums in the workspace.
struct row_chunks {
  static constexpr int64_t most = 64;
  int64_t rows, count;
};

static inline row_chunks cut_rows(int64_t rows, int64_t cols) {
  const int64_t target = cols < 1 ? 65536 : cols < 65536 ? 65536 / cols : 1;
  const int64_t even = (rows + row_chunks::most - 1) / row_chunks::most, size = even > target ? even : target;
  return {size, (rows + size - 1) / size};
}

// A row of sums, padded to whole vectors of any instruction set.
static inline int64_t padded_cols(int64_t cols) { return (cols + 15) / 16 * 16; }

}  // namespace cpu
}  // namespace polycom
