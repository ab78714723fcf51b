// A range of work, cut into pieces for the thread pool: by its size alone, so that results repeat whatever
// the threads do.
#pragma once
#include "runtime/queue.h"
#include "runtime/threads.h"

namespace polycom {
namespace cpu {
namespace {

// body(first, past) for each piece of [0, count), of `size` but the last.
template <class Body>
void for_each_range(const pc_queue& queue, int64_t count, int64_t size, Body body) {
  struct context_t {
    int64_t count, size;
    Body& body;
  } context{count, size, body};
  parallel_for(
      count / size + (count % size != 0), queue.threads,
      [](void* opaque, int64_t i) {
        auto& c = *static_cast<context_t*>(opaque);
        const int64_t first = i * c.size, left = c.count - first;
        c.body(first, first + (left < c.size ? left : c.size));
      },
      &context);
}

// How many rows make a piece of about `target` elements.
inline int64_t rows_of(int64_t target, int64_t cols) { return cols < 1 || cols > target ? 1 : target / cols; }

}  // namespace
}  // namespace cpu
}  // namespace polycom
