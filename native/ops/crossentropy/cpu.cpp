// Softmax cross-entropy on the CPU.
//   forward:  m = max(x), l = log(sum of exp(x - m)):  loss = (m - x[label]) + l
//   backward: dx = dloss (exp(x - m - l) - 1 at the label)
// A row is read twice, the second time from the cache.
#include <math.h>

#include "call.h"
#include "math/exponential.h"
#include "runtime/cpu/ranges.h"
#include "runtime/cpu/storage.h"

namespace polycom {
namespace cpu {
namespace {

constexpr int64_t piece = 16384;  // logits: some ten microseconds of exponentials

// A NaN may be overlooked: the sum of the exponentials has it.
template <class T>
PC_INLINE float largest(const T* x, int64_t n) {
  vec even = vec{} - INFINITY, odd = even;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const vec a = load(x + i), b = load(x + i + lanes);
    even = a > even ? a : even;
    odd = b > odd ? b : odd;
  }
  even = odd > even ? odd : even;
  float most = even[0];
  for (int lane = 1; lane < lanes; ++lane) most = even[lane] > most ? even[lane] : most;
  for (; i < n; ++i) {
    const float one = load_part(x + i, 1)[0];
    most = one > most ? one : most;
  }
  return most;
}

template <class T>
PC_INLINE double sum_of_exponentials(const T* x, int64_t n, float most) {
  lane_sums<1> sums;
  accumulate(n, sums, [&](int64_t i, int64_t count, vec* sum) {
    vec shifted = vec{} - INFINITY;  // of what the row lacks for a whole vector
    if (count == lanes) {
      shifted = load(x + i) - most;
    } else {
      for (int64_t k = 0; k < count; ++k) shifted[k] = load_part(x + i + k, 1)[0] - most;
    }
    *sum += exponential(shifted);
  });
  double total[1];
  sums.total(total);
  return total[0];
}

template <class T>
void forward_row(const crossentropy_call& call, int64_t r) {
  const T* x = static_cast<const T*>(call.logits) + r * call.cols;
  const float most = largest(x, call.cols);
  const double log_sum = log(sum_of_exponentials(x, call.cols, most));
  const int32_t label = call.labels[r];
  call.lse_out[2 * r] = most;
  call.lse_out[2 * r + 1] = float(log_sum);
  call.loss[r] = label < 0 ? 0.0f : float(double(most) - load_one(x + label) + log_sum);
}

template <class T>
void backward_row(const crossentropy_call& call, int64_t r) {
  const T* x = static_cast<const T*>(call.logits) + r * call.cols;
  const output<T> dx{static_cast<T*>(call.dlogits) + r * call.cols};
  const int32_t label = call.labels[r];
  if (label < 0) return map(dx, call.cols, false, [](int64_t, int64_t) { return vec{}; });
  const float most = call.lse[2 * r], log_sum = call.lse[2 * r + 1], dloss = call.dloss[r];
  map(dx, call.cols, false,
      [&](int64_t i, int64_t n) { return exponential((load_up_to(x + i, n) - most) - log_sum) * dloss; });
  store_one(dx.to + label, expm1(load_one(x + label) - double(most) - double(log_sum)) * double(dloss));
}

// row(storage, r) for every row.
template <class Row>
pc_status for_each_row(const pc_queue& queue, const crossentropy_call& call, Row row) {
  return with_storage(call.dtype, [&](auto storage) {
    for_each_range(queue, call.rows, rows_of(piece, call.cols), [&](int64_t first, int64_t past) {
      for (int64_t r = first; r < past; ++r) row(storage, r);
    });
    return PC_OK;
  });
}

}  // namespace

namespace PC_ISA {

pc_status crossentropy_forward(pc_queue& queue, const crossentropy_call& call) {
  return for_each_row(
      queue, call, [&](auto storage, int64_t r) { forward_row<typename decltype(storage)::type>(call, r); });
}

pc_status crossentropy_backward(pc_queue& queue, const crossentropy_call& call) {
  return for_each_row(
      queue, call, [&](auto storage, int64_t r) { backward_row<typename decltype(storage)::type>(call, r); });
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
