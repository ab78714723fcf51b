// How the CPU cuts an attention into items of work: by the shape alone, so that results repeat whatever the
// threads do. Each worker has a slot of the workspace, which stays in its cache from item to item.
#pragma once
#include <algorithm>

#include "call.h"
#include "runtime/threads.h"

namespace polycom {
namespace cpu {

constexpr int64_t most_lanes = 16;  // of any instruction set: the workspace is one size for all

static inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t pad(int64_t n) { return divide_up(n, most_lanes) * most_lanes; }

struct attention_cut {
  int64_t slabs;    // that a head of k and v is cut into: of queries forward, of keys backward and decoding
  int64_t slab;     // queries, or keys, of one
  int64_t items;    // batch * kv_heads * slabs
  int64_t workers;  // that take items: as many as the pool has threads
  int64_t slot;     // floats that a worker has for itself
  int64_t shared;   // floats that the items leave their partial results in

  int64_t bytes() const { return 64 + int64_t(sizeof(float)) * (workers * slot + shared); }
};

// Slabs of at least `least`, as many as it takes for `wanted` items.
static inline attention_cut cut_into(const attention_call& call, int64_t length, int64_t least,
                                     int64_t wanted) {
  const int64_t heads = call.batch * call.kv_heads;
  if (heads == 0 || length == 0) return {1, 1, 0, 0, 0, 0};
  const int64_t most = divide_up(length, least), fewest = divide_up(wanted, heads);
  attention_cut cut{};
  cut.slab = pad(divide_up(length, std::min(most, fewest)));
  cut.slabs = divide_up(length, cut.slab);
  cut.items = heads * cut.slabs;
  cut.workers = std::min<int64_t>(pool_threads(), cut.items);
  return cut;
}

// One query: what is to be had is the memory's bandwidth, and keys need no packing.
static inline bool is_decoding(const attention_call& call) { return call.time == 1; }

static inline attention_cut cut_forward(const attention_call& call) {
  attention_cut cut = cut_into(call, call.time, 64, 32);
  const int64_t keys = pad(call.keys), width = pad(call.width);
  cut.slot = 2 * keys * width + 3 * most_lanes * width;
  return cut;
}

// A slab's partial result of a query: its y, its largest score and its sum of exponentials.
constexpr int64_t decoding_slab = 256;
static inline int64_t partial_size(const attention_call& call) { return pad(call.width) + most_lanes; }

static inline attention_cut cut_decoding(const attention_call& call) {
  attention_cut cut = cut_into(call, call.keys, decoding_slab, INT32_MAX);
  cut.slot = call.group() * pad(call.width);
  cut.shared = call.batch * call.heads * cut.slabs * partial_size(call);
  return cut;
}

// Queries that backward takes at once: the gradients of k and v are read and
// written once for each such block.
constexpr int64_t block_rows = 32;

static inline attention_cut cut_backward(const attention_call& call) {
  attention_cut cut = cut_into(call, call.keys, 128, 16);
  const int64_t width = pad(call.width);
  cut.slot = 5 * cut.slab * width + 5 * block_rows * width;
  cut.shared = cut.slabs == 1 ? 0 : cut.slabs * call.batch * call.time * call.heads * width;
  return cut;
}

}  // namespace cpu
}  // namespace polycom
