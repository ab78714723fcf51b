// RMSNorm on the CPU, with or without the addition before it.
//   forward:  s = x (+ residual), r = 1 / sqrt(mean(s^2) + epsilon), y = s r weight
//   backward: n = s r, g = dy weight:
//             dx = r (g - n mean(g n)) (+ dsum),  dweight = sum over the rows of dy n
// Sums and scales are in double: a row's squares may leave float's range though its values do not.
#include <math.h>

#include "call.h"
#include "runtime/cpu/partition.h"
#include "runtime/cpu/simd.h"
#include "runtime/threads.h"

namespace polycom {
namespace cpu {
namespace {

// body(chunk, first row, row past the last)
template <class Body>
void for_each_rows(const pc_queue& queue, const rmsnorm_call& call, Body body) {
  struct context_t {
    const rmsnorm_call& call;
    row_chunks chunks;
    Body& body;
  } context{call, cut_rows(call.rows, call.cols), body};
  parallel_for(
      context.chunks.count, queue.threads,
      [](void* opaque, int64_t i) {
        auto& c = *static_cast<context_t*>(opaque);
        const int64_t first = i * c.chunks.rows, past = first + c.chunks.rows;
        c.body(i, first, past < c.call.rows ? past : c.call.rows);
      },
      &context);
}

// 1 / root of the mean square
PC_INLINE double inverse_rms(const float* x, int64_t cols, double epsilon) {
  wide_vec squares[2] = {};
  int64_t i = 0;
  for (; i + 2 * lanes <= cols; i += 2 * lanes) {
    const wide_vec even = widened(load(x + i)), odd = widened(load(x + i + lanes));
    squares[0] += even * even;
    squares[1] += odd * odd;
  }
  for (; i < cols; i += lanes) {
    const wide_vec v = widened(load_up_to(x + i, cols - i < lanes ? cols - i : int64_t(lanes)));
    squares[0] += v * v;
  }
  return 1.0 / sqrt(sum_of_lanes(squares[0] + squares[1]) / double(cols) + epsilon);
}

void forward_row(const rmsnorm_call& call, int64_t r) {
  const int64_t cols = call.cols, at = r * cols;
  const float* x = call.x + at;
  if (call.residual != nullptr) {
    float* sum = call.sum + at;
    map(output<float>{sum}, cols, false,
        [&](int64_t i, int64_t n) { return load_up_to(x + i, n) + load_up_to(call.residual + at + i, n); });
    x = sum;
  }
  const double scale = inverse_rms(x, cols, double(call.epsilon));
  map(output<float>{call.y + at}, cols, false, [&](int64_t i, int64_t n) {
    return narrowed(widened(load_up_to(x + i, n)) * scale) * load_up_to(call.weight + i, n);
  });
}

// Adds the row's dy n to `dweight`.
void backward_row(const rmsnorm_call& call, int64_t r, double* dweight) {
  const int64_t cols = call.cols, at = r * cols;
  const float *x = call.x + at, *dy = call.dy + at;
  const double scale = inverse_rms(x, cols, double(call.epsilon));
  wide_vec products{};
  for (int64_t i = 0; i < cols; i += lanes) {
    const int64_t n = cols - i < lanes ? cols - i : int64_t(lanes);
    const wide_vec normal = widened(load_up_to(x + i, n)) * scale;
    const wide_vec share = widened(load_up_to(dy + i, n)) * normal;
    products += share * widened(load_up_to(call.weight + i, n));
    wide_vec total;  // the workspace's rows are padded to whole vectors
    memcpy(&total, dweight + i, sizeof total);
    total += share;
    memcpy(dweight + i, &total, sizeof total);
  }
  const double mean = sum_of_lanes(products) / double(cols);
  map(output<float>{call.dx + at}, cols, false, [&](int64_t i, int64_t n) {
    const wide_vec normal = widened(load_up_to(x + i, n)) * scale;
    const wide_vec g = widened(load_up_to(dy + i, n)) * widened(load_up_to(call.weight + i, n));
    const vec dx = narrowed((g - normal * mean) * scale);
    return call.dsum == nullptr ? dx : dx + load_up_to(call.dsum + at + i, n);
  });
}

}  // namespace

namespace PC_ISA {

pc_status rmsnorm_forward(pc_queue& queue, const rmsnorm_call& call) {
  for_each_rows(queue, call, [&](int64_t, int64_t first, int64_t past) {
    for (int64_t r = first; r < past; ++r) forward_row(call, r);
  });
  return PC_OK;
}

pc_status rmsnorm_backward(pc_queue& queue, const rmsnorm_call& call) {
  const int64_t padded = padded_cols(call.cols);
  for_each_rows(queue, call, [&](int64_t chunk, int64_t first, int64_t past) {
    double* dweight = call.workspace + chunk * padded;
    memset(dweight, 0, size_t(padded) * sizeof(double));
    for (int64_t r = first; r < past; ++r) backward_row(call, r, dweight);
  });
  const int64_t count = call.cols == 0 ? 0 : cut_rows(call.rows, call.cols).count;
  for (int64_t c = 0; c < call.cols; ++c) {
    double total = 0;
    for (int64_t chunk = 0; chunk < count; ++chunk) total += call.workspace[chunk * padded + c];
    call.dweight[c] = float(total);
  }
  return PC_OK;
}

pc_status addrmsnorm_forward(pc_queue& queue, const rmsnorm_call& call) {
  return rmsnorm_forward(queue, call);
}

pc_status addrmsnorm_backward(pc_queue& queue, const rmsnorm_call& call) {
  return rmsnorm_backward(queue, call);
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
