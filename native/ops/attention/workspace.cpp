// How much workspace the attention needs on the CPU.
#include "cpu_cut.h"

namespace polycom {
namespace cpu {

int64_t attention_forward_workspace(const attention_call& call) {
  return is_decoding(call) ? cut_decoding(call).bytes() : cut_forward(call).bytes();
}

int64_t attention_backward_workspace(const attention_call& call) { return cut_backward(call).bytes(); }

}  // namespace cpu
}  // namespace polycom
