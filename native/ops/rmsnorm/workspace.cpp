// How much workspace a backward pass of rmsnorm needs on the CPU: a row of sums for each chunk.
#include "call.h"
#include "runtime/cpu/partition.h"

namespace polycom {
namespace cpu {

int64_t rmsnorm_workspace(const rmsnorm_call& call) {
  return cut_rows(call.rows, call.cols).count * padded_cols(call.cols) * int64_t(sizeof(double));
}

}  // namespace cpu
}  // namespace polycom
