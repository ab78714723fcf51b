// pc_mapping_*: the table of mappings, and those that were put before it.
#include "mapping.h"

#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <mutex>

#include "activations/cuda/mappings.h"
#include "runtime/error.h"

namespace polycom {
namespace {

constexpr int32_t most_replacements = 256;

std::mutex guard;
pc_mapping replacements[most_replacements];
int32_t n_replacements = 0;

constexpr int64_t warp = 32, slot = 16;
constexpr int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t whole_warps(int64_t threads) { return ceil_divide(threads, warp) * warp; }

constexpr bool is_gated(int32_t pass) { return pass >= 2; }
constexpr bool is_backward(int32_t pass) { return pass % 2 == 1; }

// Bytes of shared memory that a block may have (CUDA C++ Programming Guide,
// "Technical Specifications per Compute Capability").
int64_t shared_limit(int32_t architecture) {
  if (architecture >= 90 && architecture < 120) return 227 << 10;
  if (architecture == 80 || architecture == 87) return 163 << 10;
  return architecture < 80 ? 64 << 10 : 99 << 10;
}

// Whether a mapping is for rows of so many slots, and such a GPU can launch it.
bool suits(const pc_mapping& m, int32_t architecture, int32_t pass, int32_t item, int64_t slots) {
  if (m.architecture > architecture || m.pass != pass || slots > m.slots) return false;
  if (m.item != 0 && m.item != item) return false;
  if (m.cluster > 1 && architecture < 90) return false;
  if (m.path == PC_PATH_WARP) return slots <= warp * register_slots(pass, item);
  if (m.path == PC_PATH_BLOCK) return slots <= int64_t(m.threads) * register_slots(pass, item);
  if (m.path == PC_PATH_TWICE) return true;
  return slots <= 1 << 20 && launch_for(m, item, slots).shared <= shared_limit(architecture);
}

// A row in registers of a warp: by as few lanes as can keep it, and so as many rows at once; but by two or more, if it has
// two slots, for memory comes in pieces of 32 bytes.
row_launch by_lanes(const pc_mapping& m, int32_t item, int64_t slots) {
  int32_t lanes = slots < 2 ? 1 : 2;
  while (int64_t(lanes) * register_slots(m.pass, item) < slots) lanes *= 2;
  return {m.threads, {int32_t(ceil_divide(slots, lanes)), 0}, 0, lanes};
}

// In those of a block: more than half of the slots that a thread may have, so that it has loads in flight, with as
// few masked ones as can be, and then as few threads.
row_launch by_block(const pc_mapping& m, int32_t item, int64_t slots) {
  row_launch best{};
  const int32_t most = register_slots(m.pass, item);
  for (int32_t each = most / 2 + 1; each <= most; ++each) {
    const int64_t threads = whole_warps(ceil_divide(slots, each));
    if (threads > m.threads) continue;
    if (best.threads > 0 && threads * each > int64_t(best.threads) * best.plan.slots) continue;
    best = {int32_t(threads), {each, 0}, 0, 0};
  }
  return best;
}

pc_status check(const pc_mapping& m, int32_t index) {
  const auto refuse = [&](const char* what, long long got, const char* expected) {
    return fail(PC_INVALID_ARGUMENT, "mapping_replace: mapping %d: %s is %lld; expected %s", index, what, got,
                expected);
  };
  if (m.architecture < 10) return refuse("architecture", m.architecture, "such as 90, for 9.0");
  if (m.pass < 0 || m.pass > 3) return refuse("pass", m.pass, "0 to 3");
  if (m.item != 0 && m.item != 2 && m.item != 4) return refuse("item", m.item, "0, 2 or 4");
  if (m.path < PC_PATH_WARP || m.path > PC_PATH_TWICE) return refuse("path", m.path, "0 to 3");
  if (m.slots < 0) return refuse("slots", (long long)m.slots, "0 or more");
  const bool staged = m.path == PC_PATH_STAGED;
  if (m.path == PC_PATH_WARP && m.threads != 128) return refuse("threads", m.threads, "128 for this path");
  if (m.path == PC_PATH_BLOCK || staged) {
    const int32_t most = staged ? staged_threads : block_threads(m.pass);
    if (m.threads < warp || m.threads > most || m.threads % warp != 0)
      return refuse("threads", m.threads, most == 512 ? "32, 64 .. 512" : "32, 64 .. 256");
  }
  if (staged && (m.stages < 1 || m.stages > most_stages)) return refuse("stages", m.stages, "1 to 4");
  const bool power = m.cluster == 1 || (staged && (m.cluster == 2 || m.cluster == 4 || m.cluster == 8));
  if (!power) return refuse("cluster", m.cluster, staged ? "1, 2, 4 or 8" : "1 for this path");
  return PC_OK;
}

}  // namespace

row_launch launch_for(const pc_mapping& m, int32_t item, int64_t slots) {
  if (m.path == PC_PATH_WARP) return by_lanes(m, item, slots);
  if (m.path == PC_PATH_BLOCK) return by_block(m, item, slots);
  if (m.path == PC_PATH_TWICE)
    return {int32_t(std::min<int64_t>(wide_threads, whole_warps(slots))), {0, 0}, 0, 0};
  const int64_t part = ceil_divide(slots, m.cluster), each = ceil_divide(part, m.threads);
  const int64_t threads = whole_warps(ceil_divide(part, each < 1 ? 1 : each));
  const int64_t tensors = staged_tensors(is_gated(m.pass), is_backward(m.pass));
  const int64_t rows = m.stages * tensors * each * threads * slot;
  return {int32_t(threads), {int32_t(each), m.stages}, staged_room_bytes + rows, 0};
}

pc_mapping find_mapping(int32_t architecture, int32_t pass, int32_t item, int64_t slots) {
  {
    const std::lock_guard<std::mutex> lock(guard);
    for (int32_t i = 0; i < n_replacements; ++i) {
      if (suits(replacements[i], architecture, pass, item, slots)) return replacements[i];
    }
  }
  for (const pc_mapping& m : mappings) {
    if (suits(m, architecture, pass, item, slots)) return m;
  }
  return {0, pass, 0, PC_PATH_TWICE, wide_threads, 0, 1, INT64_MAX};
}

}  // namespace polycom

using namespace polycom;

pc_status pc_mapping_find(int32_t architecture, int32_t pass, int32_t item, int64_t slots, pc_mapping* found,
                          pc_mapping_launch* launch) {
  if (found == nullptr) return fail(PC_INVALID_ARGUMENT, "mapping_find: found is null");
  if (pass < 0 || pass > 3 || (item != 2 && item != 4) || slots < 1) {
    return fail(PC_INVALID_ARGUMENT,
                "mapping_find: pass %d, item %d, slots %lld; expected 0 to 3, 2 or 4, and 1 or more", pass,
                item, (long long)slots);
  }
  *found = find_mapping(architecture, pass, item, slots);
  if (launch != nullptr) {
    const row_launch chosen = launch_for(*found, item, slots);
    *launch = {chosen.threads, chosen.plan.slots, chosen.shared};
  }
  return PC_OK;
}

pc_status pc_mapping_replace(const pc_mapping* rows, int32_t count) {
  if (count < 0 || count > most_replacements || (rows == nullptr && count > 0)) {
    return fail(PC_INVALID_ARGUMENT, "mapping_replace: %d mappings at %p; expected 0 to %d", count,
                (const void*)rows, most_replacements);
  }
  for (int32_t i = 0; i < count; ++i) {
    if (pc_status status = check(rows[i], i)) return status;
  }
  const std::lock_guard<std::mutex> lock(guard);
  if (count > 0) memcpy(replacements, rows, size_t(count) * sizeof *rows);
  n_replacements = count;
  return PC_OK;
}
