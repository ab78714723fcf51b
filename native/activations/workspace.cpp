// How many partial sums of a parameter's gradient the CPU keeps.
#include "activation.h"
#include "runtime/cpu/partition.h"

namespace polycom {
namespace cpu {

int64_t partial_sums(int64_t rows, int64_t cols, bool rowwise) { return cut(rows, cols, rowwise).count; }

}  // namespace cpu
}  // namespace polycom
