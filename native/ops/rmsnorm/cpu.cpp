// RMSNorm on the CPU, with or without the addition before it.
//   forward:  s = x (+ residual), r = 1 / sqrt(mean(s^2) + epsilon), y = s r weight
//   backward: n = s r, g = dy weight:
//             dx = r (g - n mean(g n)) (+ dsum),  dweight = sum over the rows of dy n
// Sums and scales are in double, for a row's squares may leave float's range though its values do not. Narrow rows are
// taken several at once, in float, and those that leave it again in double.
#include <math.h>

#include <algorithm>

#include "call.h"
#include "math/portable.h"
#include "runtime/cpu/partition.h"
#include "runtime/cpu/rows.h"
#include "runtime/cpu/storage.h"
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

// The call with its elements as T.
template <class T>
struct norm_call {
  int64_t cols;
  float epsilon;
  const T* x;
  const float* weight;
  const T *residual, *dy, *dsum;
  T *y, *sum, *dx;

  explicit norm_call(const rmsnorm_call& call)
      : cols(call.cols),
        epsilon(call.epsilon),
        x(static_cast<const T*>(call.x)),
        weight(call.weight),
        residual(static_cast<const T*>(call.residual)),
        dy(static_cast<const T*>(call.dy)),
        dsum(static_cast<const T*>(call.dsum)),
        y(static_cast<T*>(call.y)),
        sum(static_cast<T*>(call.sum)),
        dx(static_cast<T*>(call.dx)) {}
};

// 1 / root of the mean square
template <class T>
PC_INLINE double inverse_rms(const T* x, int64_t cols, double epsilon) {
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

// What is normalised: in forward, once it has been written.
template <class T>
PC_INLINE const T* input(const norm_call<T>& call) {
  return call.sum == nullptr ? call.x : call.sum;
}

// Elements [i, i + n) of it, where that is still to be written, as they are then read. `at`: the row's first.
template <class T>
PC_INLINE vec new_input(const norm_call<T>& call, int64_t at, int64_t i, int64_t n) {
  const vec x = load_up_to(call.x + at + i, n);
  if (call.sum == nullptr) return x;
  const vec sum = x + load_up_to(call.residual + at + i, n);
  output<T>{call.sum + at}.template put<false>(i, n, sum);
  return as_stored<T>(sum);
}

template <class T>
void normalise_row(const norm_call<T>& call, int64_t r) {
  const int64_t cols = call.cols, at = r * cols;
  const T* x = input(call) + at;
  const double scale = inverse_rms(x, cols, double(call.epsilon));
  map(output<T>{call.y + at}, cols, false, [&](int64_t i, int64_t n) {
    return narrowed(widened(load_up_to(x + i, n)) * scale) * load_up_to(call.weight + i, n);
  });
}

template <class T>
void forward_row(const norm_call<T>& call, int64_t r) {
  if (call.sum != nullptr) {
    for (int64_t i = 0; i < call.cols; i += lanes)
      new_input(call, r * call.cols, i, std::min<int64_t>(lanes, call.cols - i));
  }
  normalise_row(call, r);
}

// 1 / rms for each lane's row, and whether float cannot carry the row.
struct scale_of_rows {
  vec scale;
  mask_vec leaves_float;

  PC_INLINE scale_of_rows(vec squares, int64_t cols, float epsilon) {
    const vec mean = squares / float(cols) + epsilon;
    scale = 1.0f / square_root(mean);
    leaves_float = ~(mean <= 1e30f) | (mean < 1e-30f);
  }
};

// Rows [first, first + count), of which there are `lanes` at most.
template <class T>
void forward_rows(const norm_call<T>& call, int64_t first, int64_t count) {
  vec squares[1];
  sum_rows<1>(
      call.cols, count, [&](int64_t r) { return (first + r) * call.cols; },
      [&](int64_t at, int64_t i, int64_t n, vec* sum) {
        const vec x = new_input(call, at, i, n);
        sum[0] += x * x;
      },
      squares);
  const scale_of_rows of(squares[0], call.cols, call.epsilon);
  for (int64_t r = 0; r < count; ++r) {
    if (of.leaves_float[r]) {
      normalise_row(call, first + r);
      continue;
    }
    const int64_t at = (first + r) * call.cols;
    const vec scale = vec{} + of.scale[r];
    map(output<T>{call.y + at}, call.cols, false, [&](int64_t i, int64_t n) {
      return load_up_to(input(call) + at + i, n) * scale * load_up_to(call.weight + i, n);
    });
  }
}

// Adds the row's dy n to `dweight`.
template <class T>
void backward_row(const norm_call<T>& call, int64_t r, double* dweight) {
  const int64_t cols = call.cols, at = r * cols;
  const T *x = call.x + at, *dy = call.dy + at;
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
  map(output<T>{call.dx + at}, cols, false, [&](int64_t i, int64_t n) {
    const wide_vec normal = widened(load_up_to(x + i, n)) * scale;
    const wide_vec g = widened(load_up_to(dy + i, n)) * widened(load_up_to(call.weight + i, n));
    const vec dx = narrowed((g - normal * mean) * scale);
    return call.dsum == nullptr ? dx : dx + load_up_to(call.dsum + at + i, n);
  });
}

// The same for rows [first, first + count), of which there are `lanes` at most.
template <class T>
void backward_rows(const norm_call<T>& call, int64_t first, int64_t count, double* dweight) {
  const int64_t cols = call.cols, start = first * cols;
  vec sums[2];  // of x^2, and of x times what comes back to n
  sum_rows<1>(
      cols, count, [&](int64_t r) { return start + r * cols; },
      [&](int64_t at, int64_t i, int64_t n, vec* sum) {
        const vec x = load_up_to(call.x + at + i, n);
        sum[0] += x * x;
        sum[1] += x * (load_up_to(call.dy + at + i, n) * load_up_to(call.weight + i, n));
      },
      sums);
  scale_of_rows of(sums[0], cols, call.epsilon);
  const vec means = of.scale * (sums[1] / float(cols));
  of.leaves_float |= ~(means - means == 0);
  for (int64_t r = 0; r < count; ++r) {
    if (of.leaves_float[r]) {
      backward_row(call, first + r, dweight);
      continue;
    }
    const int64_t at = start + r * cols;
    const vec scale = vec{} + of.scale[r], mean = vec{} + means[r];
    map(output<T>{call.dx + at}, cols, false, [&](int64_t i, int64_t n) {
      const vec g = load_up_to(call.dy + at + i, n) * load_up_to(call.weight + i, n);
      const vec dx = scale * (g - load_up_to(call.x + at + i, n) * scale * mean);
      return call.dsum == nullptr ? dx : dx + load_up_to(call.dsum + at + i, n);
    });
  }
  for (int64_t i = 0; i < cols; i += lanes) {
    const int64_t n = std::min<int64_t>(lanes, cols - i);
    const auto sum_down = [&](auto widen) {
      auto total = widen(vec{});
      for (int64_t r = 0; r < count; ++r) {
        if (of.leaves_float[r]) continue;
        const int64_t at = start + r * cols + i;
        total +=
            widen(load_up_to(call.dy + at, n)) * widen(load_up_to(call.x + at, n) * (vec{} + of.scale[r]));
      }
      return total;
    };
    const vec narrow = sum_down([](vec v) { return v; });
    const mask_vec lost = ~(narrow - narrow == 0);
    bool finite = true;
    for (int lane = 0; lane < lanes; ++lane) finite = finite && lost[lane] == 0;
    const wide_vec sum = finite ? widened(narrow) : sum_down([](vec v) { return widened(v); });
    wide_vec total;
    memcpy(&total, dweight + i, sizeof total);
    total += sum;
    memcpy(dweight + i, &total, sizeof total);
  }
}

// one(r) for every row of [first, past); or, where they are narrow, several(row, count).
template <class One, class Several>
PC_INLINE void take_rows(int64_t cols, int64_t first, int64_t past, One one, Several several) {
  if (cols > narrow_cols) {
    for (int64_t r = first; r < past; ++r) one(r);
  } else {
    for (int64_t r = first; r < past; r += lanes) several(r, std::min<int64_t>(lanes, past - r));
  }
}

}  // namespace

namespace PC_ISA {

pc_status rmsnorm_forward(pc_queue& queue, const rmsnorm_call& call) {
  return with_storage(call.dtype, [&](auto storage) {
    const norm_call<typename decltype(storage)::type> typed(call);
    for_each_rows(queue, call, [&](int64_t, int64_t first, int64_t past) {
      take_rows(
          call.cols, first, past, [&](int64_t r) { forward_row(typed, r); },
          [&](int64_t r, int64_t count) { forward_rows(typed, r, count); });
    });
    return PC_OK;
  });
}

pc_status rmsnorm_backward(pc_queue& queue, const rmsnorm_call& call) {
  const int64_t padded = padded_cols(call.cols);
  with_storage(call.dtype, [&](auto storage) {
    const norm_call<typename decltype(storage)::type> typed(call);
    for_each_rows(queue, call, [&](int64_t chunk, int64_t first, int64_t past) {
      double* dweight = call.workspace + chunk * padded;
      memset(dweight, 0, size_t(padded) * sizeof(double));
      take_rows(
          call.cols, first, past, [&](int64_t r) { backward_row(typed, r, dweight); },
          [&](int64_t r, int64_t count) { backward_rows(typed, r, count, dweight); });
    });
    return PC_OK;
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
