// Dropout on the CPU: y = x scale where the element's random word reaches the threshold, else x 0. Both
// passes are this one.
#include "call.h"
#include "math/dropout.h"
#include "runtime/cpu/ranges.h"
#include "runtime/cpu/storage.h"

namespace polycom {
namespace cpu {
namespace {

constexpr int64_t groups_of_piece = 256;

// The elements of a group, of which the last may lack some.
template <class T>
PC_INLINE void drop(const dropout_call& call, int64_t group, const uint32_t (&key)[2]) {
  static_assert(dropout_counters % lanes == 0, "whole vectors of counters");
  word_vec lane;
  for (int i = 0; i < lanes; ++i) lane[i] = uint32_t(i);
  const uint64_t first = uint64_t(group) * dropout_counters;
  for (int c = 0; c < dropout_counters; c += lanes) {
    const auto random = philox(lane + (uint32_t(first) + uint32_t(c)), uint32_t(first >> 32), key);
    for (int k = 0; k < 4; ++k) {
      const int64_t at = group * dropout_group + k * dropout_counters + c, left = call.count - at;
      if (left <= 0) continue;
      const vec factor = random.word[k] >= call.threshold ? vec{} + call.scale : vec{};
      const output<T> y{static_cast<T*>(call.y) + at};
      const int64_t n = left < lanes ? left : int64_t(lanes);
      y.template put<false>(0, n, load_up_to(static_cast<const T*>(call.x) + at, n) * factor);
    }
  }
}

}  // namespace

namespace PC_ISA {

pc_status dropout_forward(pc_queue& queue, const dropout_call& call) {
  const uint32_t key[2] = {uint32_t(call.seed[0]), uint32_t(call.seed[1])};
  const int64_t groups = call.count / dropout_group + (call.count % dropout_group != 0);
  return with_storage(call.dtype, [&](auto storage) {
    for_each_range(queue, groups, groups_of_piece, [&](int64_t first, int64_t past) {
      for (int64_t group = first; group < past; ++group)
        drop<typename decltype(storage)::type>(call, group, key);
    });
    return PC_OK;
  });
}

pc_status dropout_backward(pc_queue& queue, const dropout_call& call) { return dropout_forward(queue, call); }

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
