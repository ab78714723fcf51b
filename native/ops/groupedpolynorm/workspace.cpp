// How much workspace a backward pass of groupedpolynorm needs on the CPU.
#include "call.h"
#include "runtime/cpu/partition.h"

namespace polycom {
namespace cpu {

int64_t groupedpolynorm_workspace(const groupedpolynorm_call& call) {
  if (call.empty()) return 0;
  const int64_t sums = call.has_shift ? cut_rows(call.rows, call.cols).count * padded_cols(call.cols) : 0;
  return (call.rows * (call.order + 1) + sums) * int64_t(sizeof(double));
}

}  // namespace cpu
}  // namespace polycom
