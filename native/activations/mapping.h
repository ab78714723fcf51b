// How PolyNorm's CUDA kernels take a row: which mapping of the table, and what a launch takes from it.
#pragma once
#include "math/portable.h"
#include "polycom.h"

namespace polycom {

constexpr int32_t mapping_pass(bool gated, bool backward) { return (backward ? 1 : 0) + (gated ? 2 : 0); }

// Slots of 16 bytes of each tensor that a thread keeps in registers, at most: 32 elements; of three tensors in f32, 16.
constexpr int32_t register_slots(int32_t pass, int32_t item) {
  return item == 4 && pass != mapping_pass(true, true) ? 8 : 4;
}

// Threads of a block at most, where it keeps a row in registers.
constexpr int32_t block_threads(int32_t pass) { return pass % 2 == 0 ? 512 : 256; }

// Where it reads a row twice.
constexpr int32_t wide_threads = 512;

// Where it keeps rows in shared memory: threads, blocks to a row, rows in flight,
// what it needs beside the rows.
constexpr int32_t staged_threads = 512;
constexpr int32_t most_cluster = 8;
constexpr int32_t most_stages = 4;
constexpr int64_t staged_room_bytes = 3584;
constexpr int32_t staged_tensors(bool gated, bool backward) {
  return 1 + (gated ? 1 : 0) + (backward ? 1 : 0);
}

// Slots of each tensor that a thread takes of a row, and rows in flight.
struct staging {
  int32_t slots, stages;
};

// A launch for rows of so many slots.
struct row_launch {
  int32_t threads;
  staging plan;
  int64_t shared;  // bytes of dynamic shared memory a block
  int32_t lanes;   // of a warp, that take a row; 0 where a block or more does
};
row_launch launch_for(const pc_mapping& mapping, int32_t item, int64_t slots);

// The mapping of rows of so many slots: the first that suits, of those that were put before the table, and
// then of the table.
pc_mapping find_mapping(int32_t architecture, int32_t pass, int32_t item, int64_t slots);

}  // namespace polycom
