// What PolyNorm does with one row on the CPU: it is read once from memory, summed, folded, and written while
// it is still in cache.
#pragma once
#include "chunks.h"
#include "math/polynorm.h"

namespace polycom {
namespace cpu {
namespace {

struct double_pair {
  double first, second;
};
template <class T>
void store_one(const output<T>& out, int64_t i, double value) {
  store_one(out.to + i, value);
}
template <class T>
void store_one(const two_outputs<T>& out, int64_t i, const double_pair& value) {
  store_one(out.first.to + i, value.first);
  store_one(out.second.to + i, value.second);
}

// Where a row's results go: vectors() takes them by the vector, as map() does,
// and elements() one by one, in double.
template <class Output>
struct stored_row {
  Output out;
  bool streaming;

  template <class Body>
  PC_INLINE void vectors(int64_t n, Body body) const {
    map(out, n, streaming, body);
  }
  template <class Body>
  void elements(int64_t n, Body body) const {
    for (int64_t i = 0; i < n; ++i) store_one(out, i, body(i));
  }
};

// What is done to x before it is normalised: a shift is added, and the sum clamped.
struct input_adjustment {
  const float* shift;  // or null
  float limit;         // infinite: none
};

// One row, of order R, stored as T. With a gate, `up` is what it multiplies. `Adjusted`:
// with an input_adjustment.
template <int R, class T, bool Gated, bool Adjusted = false>
struct polynorm_row {
  using formula = polynorm<R>;

  int64_t cols;
  const T *x, *up, *dy;
  int64_t x_step, up_step;  // to the next row
  const float* weight;      // R
  float bias;
  float epsilon;
  double inverse_count;
  input_adjustment adjustment;

  PC_INLINE vec clamped(vec v) const {
    const vec limit = vec{} + adjustment.limit;
    return v > limit ? limit : v < -limit ? -limit : v;
  }
  // x with its shift, before the clamp.
  PC_INLINE vec shifted(int64_t i, int64_t n) const {
    const vec v = load_up_to(x + i, n);
    return !Adjusted || adjustment.shift == nullptr ? v : v + load_up_to(adjustment.shift + i, n);
  }
  // What is normalised.
  PC_INLINE vec value(int64_t i, int64_t n) const {
    const vec v = shifted(i, n);
    return Adjusted ? clamped(v) : v;
  }
  double shifted_one(int64_t i) const {
    const double v = load_one(x + i);
    return !Adjusted || adjustment.shift == nullptr ? v : v + double(adjustment.shift[i]);
  }
  double value_of_one(int64_t i) const {
    const double v = shifted_one(i), limit = double(adjustment.limit);
    return !Adjusted ? v : v > limit ? limit : v < -limit ? -limit : v;
  }

  PC_INLINE vec gradient(int64_t i, int64_t n) const {
    const vec g = load_up_to(dy + i, n);
    return Gated ? g * load_up_to(up + i, n) : g;
  }
  double gradient_of_one(int64_t i) const { return load_one(dy + i) * (Gated ? load_one(up + i) : 1.0); }

  // Forward, the next row comes in while this one goes out. Backward has three streams, of which the hardware
  // keeps better account alone.
  static PC_INLINE void prefetch(const T* p, int64_t step, int64_t i) { __builtin_prefetch(p + step + i); }

  // Into accumulators, from elements [i, i + n): of the moments, or of all that the backward pass sums.
  PC_INLINE void add_moments(int64_t i, int64_t n, vec* sums) const {
    formula::add_moments(value(i, n), sums);
  }
  PC_INLINE void add_all(int64_t i, int64_t n, vec* sums) const {
    formula::add_moments_and_products(value(i, n), gradient(i, n), sums);
  }

  void to_means(double* sums) const {
    for (int p = 0; p < R; ++p) sums[p] *= inverse_count;
  }

  template <class Out>
  PC_INLINE void forward(const Out& out) const {
    double sums[R];
    lane_sums<R> lanes_of_sums;
    accumulate(cols, lanes_of_sums, [&](int64_t i, int64_t n, vec* s) { add_moments(i, n, s); });
    lanes_of_sums.total(sums);
    to_means(sums);
    if (formula::leaves_float(sums, double(epsilon)))
      return forward_in_double(out, formula::scale_into_double(sums, double(epsilon)));
    put_forward(out, formula::template fold_forward<float>(sums, double(epsilon), weight, bias), 1);
  }

  // The row that lies `ahead` comes in meanwhile.
  template <class Out>
  PC_INLINE void put_forward(const Out& out, typename formula::template forward_row<float> row,
                             int64_t ahead) const {
    out.vectors(cols, [&](int64_t i, int64_t n) {
      prefetch(x, ahead * x_step, i);
      if (Gated) prefetch(up, ahead * up_step, i);
      const vec y = formula::forward(value(i, n), row);
      return Gated ? y * load_up_to(up + i, n) : y;
    });
  }

  // A row that leaves float's range, again, element by element in double.
  template <class Out>
  void forward_in_double(const Out& out, double scale) const {
    double sums[R] = {};
    for (int64_t i = 0; i < cols; ++i) formula::add_moments(value_of_one(i) * scale, sums);
    to_means(sums);
    const auto row =
        formula::template fold_forward<double>(sums, double(epsilon), weight, bias, scale * scale);
    out.elements(cols, [&](int64_t i) {
      const double y = formula::forward(value_of_one(i) * scale, row);
      return Gated ? y * load_one(up + i) : y;
    });
  }

  // 0 where the clamp cuts.
  PC_INLINE vec through_clamp(int64_t i, int64_t n, vec dx) const {
    if (!Adjusted) return dx;
    const vec v = shifted(i, n), limit = vec{} + adjustment.limit;
    return v > limit ? vec{} : v < -limit ? vec{} : dx;
  }
  double through_clamp(int64_t i, double dx) const {
    return Adjusted && fabs(shifted_one(i)) > double(adjustment.limit) ? 0.0 : dx;
  }

  // `out` takes dx, with a gate dup beside it; `gradients` receives the row's share of the coefficients'.
  template <class Out>
  PC_INLINE void backward(const Out& out, double* gradients) const {
    double sums[formula::backward_sums];
    lane_sums<formula::backward_sums> lanes_of_sums;
    accumulate(cols, lanes_of_sums, [&](int64_t i, int64_t n, vec* s) { add_all(i, n, s); });
    lanes_of_sums.total(sums);
    to_means(sums);
    if (formula::backward_leaves_float(sums, double(epsilon)))
      return backward_in_double(out, formula::scale_into_double(sums, double(epsilon)), gradients);
    const auto row = formula::template fold_backward<float>(sums, sums + R, inverse_count, double(epsilon),
                                                            weight, gradients);
    put_backward(out, row,
                 [&] { return formula::template fold_forward<float>(sums, double(epsilon), weight, bias); });
  }

  // `fold_forward` gives what the gate's gradient needs.
  template <class Out, class Fold>
  PC_INLINE void put_backward(const Out& out, typename formula::template backward_row<float> row,
                              Fold fold_forward) const {
    const auto dx = [&](int64_t i, int64_t n, vec v, vec g) {
      return through_clamp(i, n, formula::backward(v, g, row));
    };
    if constexpr (Gated) {
      const auto folded = fold_forward();
      out.vectors(cols, [&](int64_t i, int64_t n) {
        const vec v = value(i, n), g = load_up_to(dy + i, n);
        return vec_pair{dx(i, n, v, g * load_up_to(up + i, n)), g * formula::forward(v, folded)};
      });
    } else {
      out.vectors(cols, [&](int64_t i, int64_t n) { return dx(i, n, value(i, n), load_up_to(dy + i, n)); });
    }
  }

  template <class Out>
  void backward_in_double(const Out& out, double scale, double* gradients) const {
    double sums[formula::backward_sums] = {};
    for (int64_t i = 0; i < cols; ++i)
      formula::add_moments_and_products(value_of_one(i) * scale, gradient_of_one(i), sums);
    to_means(sums);
    const double squared = scale * scale;
    const auto row = formula::template fold_backward<double>(sums, sums + R, inverse_count, double(epsilon),
                                                             weight, gradients, squared);
    const auto folded = formula::template fold_forward<double>(sums, double(epsilon), weight, bias, squared);
    out.elements(cols, [&](int64_t i) {
      const double v = value_of_one(i) * scale;
      const double dx = through_clamp(i, formula::backward(v, gradient_of_one(i), row) * scale);
      if constexpr (Gated) {
        return double_pair{dx, load_one(dy + i) * formula::forward(v, folded)};
      } else {
        return dx;
      }
    });
  }
};

}  // namespace
}  // namespace cpu
}  // namespace polycom
