// A call's chunks on the thread pool, the sums that they leave behind,
// and the forms that a kernel is compiled in.
#pragma once
#include "activations/activation.h"
#include "math/polynomial.h"
#include "runtime/cpu/partition.h"
#include "runtime/cpu/storage.h"
#include "runtime/threads.h"

namespace polycom {
namespace cpu {
namespace {

// body(chunk, index) for every chunk of the call.
template <class Body>
void for_each_chunk(const pc_queue& queue, const activation_call& call, bool whole_rows, Body body) {
  struct context_t {
    const activation_call& call;
    partition cuts;
    Body& body;
  } context{call, cut(call.rows, call.cols, whole_rows), body};
  parallel_for(
      context.cuts.count, queue.threads,
      [](void* opaque, int64_t i) {
        auto& c = *static_cast<context_t*>(opaque);
        c.body(chunk_at(c.cuts, c.call.rows, c.call.cols, i), i);
      },
      &context);
}

// The gradients of a formula's parameters from the chunks' partial sums, [chunk][F::sums].
template <class F>
void finish_sums(const activation_call& call, bool whole_rows) {
  const int64_t count = cut(call.rows, call.cols, whole_rows).count;
  for (int k = 0; k < F::sums; ++k) {
    double total = 0;
    for (int64_t i = 0; i < count; ++i) total += call.partials[i * F::sums + k];
    F::finish(k, total, call.inputs, call.gradients);
  }
}

// run(order_tag, type_tag of the storage) for the call's.
template <class Call, class Run>
PC_INLINE pc_status with_order_and_storage(const Call& call, Run run) {
  return with_order(call.order, [&](auto order) {
    return with_storage(call.dtype, [&](auto storage) { return run(order, storage); });
  });
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
