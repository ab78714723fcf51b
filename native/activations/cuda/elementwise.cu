// One element-wise activation in CUDA: compiled once for each in polycom.h, with PC_FORMULA its name.
#include "elementwise.cuh"

#define PC_TEXT_OF(words) #words
#define PC_TEXT(words) PC_TEXT_OF(words)
// clang-format off
#include PC_TEXT(math/PC_FORMULA.h)
// clang-format on

#define PC_JOINED(name, pass) name##_##pass
#define PC_PASS(name, pass) PC_JOINED(name, pass)

namespace polycom {
namespace cuda {

pc_status PC_PASS(PC_FORMULA, forward)(pc_queue& queue, const activation_call& call) {
  return elementwise_forward<PC_FORMULA>(queue, call);
}

pc_status PC_PASS(PC_FORMULA, backward)(pc_queue& queue, const activation_call& call) {
  return elementwise_backward<PC_FORMULA>(queue, call);
}

}  // namespace cuda
}  // namespace polycom
