// A stream with the same threads, pieces and stores as the kernels, and no arithmetic: the most that they can reach.
#include "call.h"
#include "runtime/cpu/ranges.h"
#include "runtime/cpu/simd.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {
namespace {

constexpr int64_t piece_bytes = 256 << 10;

template <int Inputs>
PC_INLINE vec mixed(const float* const (&in)[Inputs], int64_t i, int64_t count) {
  word_vec bits = (word_vec)load_up_to(in[0] + i, count);
  for (int k = 1; k < Inputs; ++k) bits ^= (word_vec)load_up_to(in[k] + i, count);
  return (vec)bits;
}

template <int Inputs, int Outputs>
void stream_piece(const stream_call& call, int64_t from, int64_t bytes) {
  const float* in[Inputs];
  for (int k = 0; k < Inputs; ++k) in[k] = reinterpret_cast<const float*>(call.in[k] + from);
  const auto to = [&](int k) { return output<float>{reinterpret_cast<float*>(call.out[k] + from)}; };
  const int64_t words = bytes / 4;
  if constexpr (Outputs == 1) {
    // Where words lie across words, no store is aligned.
    const bool streaming = call.streaming && uintptr_t(call.out[0]) % 4 == 0;
    map(to(0), words, streaming, [&](int64_t i, int64_t count) { return mixed(in, i, count); });
  } else {
    const bool streaming = call.streaming && (uintptr_t(call.out[0]) | uintptr_t(call.out[1])) % 4 == 0;
    map(two_outputs<float>{to(0), to(1)}, words, streaming, [&](int64_t i, int64_t count) {
      const vec value = mixed(in, i, count);
      return vec_pair{value, value};
    });
  }
  for (int64_t i = from + 4 * words; i < from + bytes; ++i) {
    char bits = call.in[0][i];
    for (int k = 1; k < Inputs; ++k) bits = char(bits ^ call.in[k][i]);
    for (int k = 0; k < Outputs; ++k) call.out[k][i] = bits;
  }
  if (call.streaming) fence_streaming();
}

}  // namespace

pc_status stream(pc_queue& queue, const stream_call& call) {
  with_stream_counts(call, [&](auto counts) {
    for_each_range(queue, call.bytes, piece_bytes, [&](int64_t first, int64_t past) {
      stream_piece<counts.inputs, counts.outputs>(call, first, past - first);
    });
  });
  return PC_OK;
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
