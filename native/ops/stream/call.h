// A checked call of stream: how many tensors it reads and writes, where they lie, and the bytes of each.
#pragma once
#include <stdint.h>

namespace polycom {

constexpr int32_t most_stream_inputs = 3, most_stream_outputs = 2;

struct stream_call {
  const char* in[most_stream_inputs];
  char* out[most_stream_outputs];
  int32_t inputs, outputs;
  int64_t bytes;
  bool streaming;  // whether stores go past the caches
};

// run(the number of inputs, of outputs) as constants.
template <int Inputs, int Outputs>
struct stream_counts {
  static constexpr int inputs = Inputs, outputs = Outputs;
};
template <class Run>
auto with_stream_counts(const stream_call& call, Run run) {
  const bool two = call.outputs == 2;
  switch (call.inputs) {
    case 1:
      return two ? run(stream_counts<1, 2>{}) : run(stream_counts<1, 1>{});
    case 2:
      return two ? run(stream_counts<2, 2>{}) : run(stream_counts<2, 1>{});
    default:
      return two ? run(stream_counts<3, 2>{}) : run(stream_counts<3, 1>{});
  }
}

}  // namespace polycom
