// How many partial sums a backward pass keeps.
#include "elementwise.cuh"

namespace polycom {
namespace cuda {

int64_t partial_sums(int64_t rows, int64_t cols, bool rowwise) {
  if (rows == 0 || cols == 0) return 0;
  if (!rowwise) return elementwise_partials(rows * cols);
  return rows < most_partials ? rows : most_partials;
}

}  // namespace cuda
}  // namespace polycom
