// PolyNorm on the CPU, alone or times what its gate multiplies: a row is read once from memory, summed,
// folded, and written while it is still in cache.
#pragma once
#include "cpu/chunks.h"
#include "math/polynorm.h"

namespace polycom {
namespace cpu {
namespace {

// One row of a call, of order R, stored as T. With a gate, `up` is what it multiplies.
template <int R, class T, bool Gated>
struct polynorm_row {
  using formula = polynorm<R>;

  const activation_call& call;
  const T *x, *up, *dy;
  T *out, *dup;
  bool streaming;

  polynorm_row(const activation_call& of, int64_t r, bool stream_out)
      : call(of),
        x(of.x.row<const T>(r)),
        up(Gated ? of.up.row<const T>(r) : nullptr),
        dy(of.dy.data == nullptr ? nullptr : of.dy.row<const T>(r)),
        out(of.out.row<T>(r)),
        dup(of.dup.data == nullptr ? nullptr : of.dup.row<T>(r)),
        streaming(stream_out) {}

  PC_INLINE vec gradient(int64_t i, int64_t n) const {
    const vec g = load_up_to(dy + i, n);
    return Gated ? g * load_up_to(up + i, n) : g;
  }
  double gradient_of_one(int64_t i) const { return load_one(dy + i) * (Gated ? load_one(up + i) : 1.0); }

  // Forward, the next row comes in while this one goes out. Backward has three streams, of which the hardware
  // keeps better account alone.
  static PC_INLINE void prefetch(const T* p, const matrix& m, int64_t i) {
    __builtin_prefetch(p + m.stride + i);
  }

  void to_means(double* sums) const {
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse_count;
  }

  void forward() const {
    double sums[R];
    lane_sums<R> lanes_of_sums;
    accumulate(call.cols, lanes_of_sums,
               [&](int64_t i, int64_t n, vec* s) { formula::add_moments(load_up_to(x + i, n), s); });
    lanes_of_sums.total(sums);
    to_means(sums);
    const double epsilon = double(call.epsilon);
    if (formula::leaves_float(sums, epsilon))
      return forward_in_double(formula::scale_into_double(sums, epsilon));
    const auto row = formula::template fold_forward<float>(sums, epsilon, call.weight, *call.bias);
    map(output<T>{out}, call.cols, streaming, [&](int64_t i, int64_t n) {
      prefetch(x, call.x, i);
      if (Gated) prefetch(up, call.up, i);
      const vec y = formula::forward(load_up_to(x + i, n), row);
      return Gated ? y * load_up_to(up + i, n) : y;
    });
  }

  // A row that leaves float's range, again, element by element in double.
  void forward_in_double(double scale) const {
    double sums[R] = {};
    for (int64_t i = 0; i < call.cols; ++i) formula::add_moments(load_one(x + i) * scale, sums);
    to_means(sums);
    const auto row = formula::template fold_forward<double>(sums, double(call.epsilon), call.weight,
                                                            *call.bias, scale * scale);
    for (int64_t i = 0; i < call.cols; ++i) {
      const double y = formula::forward(load_one(x + i) * scale, row);
      store_one(out + i, Gated ? y * load_one(up + i) : y);
    }
  }

  // `gradients` receives the row's share of the coefficient gradients.
  void backward(double* gradients) const {
    double sums[formula::backward_sums];
    lane_sums<formula::backward_sums> lanes_of_sums;
    accumulate(call.cols, lanes_of_sums, [&](int64_t i, int64_t n, vec* s) {
      formula::add_moments_and_products(load_up_to(x + i, n), gradient(i, n), s);
    });
    lanes_of_sums.total(sums);
    to_means(sums);
    const double epsilon = double(call.epsilon);
    if (formula::backward_leaves_float(sums, epsilon))
      return backward_in_double(formula::scale_into_double(sums, epsilon), gradients);
    const auto row = formula::template fold_backward<float>(sums, sums + R, call.inverse_count, epsilon,
                                                            call.weight, gradients);
    if constexpr (Gated) {
      const auto value = formula::template fold_forward<float>(sums, epsilon, call.weight, *call.bias);
      map(two_outputs<T>{{out}, {dup}}, call.cols, streaming, [&](int64_t i, int64_t n) {
        const vec gate = load_up_to(x + i, n), g = load_up_to(dy + i, n);
        return vec_pair{formula::backward(gate, g * load_up_to(up + i, n), row),
                        g * formula::forward(gate, value)};
      });
    } else {
      map(output<T>{out}, call.cols, streaming, [&](int64_t i, int64_t n) {
        return formula::backward(load_up_to(x + i, n), load_up_to(dy + i, n), row);
      });
    }
  }

  void backward_in_double(double scale, double* gradients) const {
    double sums[formula::backward_sums] = {};
    for (int64_t i = 0; i < call.cols; ++i) {
      formula::add_moments_and_products(load_one(x + i) * scale, gradient_of_one(i), sums);
    }
    to_means(sums);
    const double epsilon = double(call.epsilon), squared = scale * scale;
    const auto row = formula::template fold_backward<double>(sums, sums + R, call.inverse_count, epsilon,
                                                             call.weight, gradients, squared);
    const auto value =
        formula::template fold_forward<double>(sums, epsilon, call.weight, *call.bias, squared);
    for (int64_t i = 0; i < call.cols; ++i) {
      const double scaled = load_one(x + i) * scale;
      store_one(out + i, formula::backward(scaled, gradient_of_one(i), row) * scale);
      if (Gated) store_one(dup + i, load_one(dy + i) * formula::forward(scaled, value));
    }
  }
};

// run(row type) for the call's order and storage.
template <bool Gated, class Run>
PC_INLINE pc_status with_row(const activation_call& call, Run run) {
  return with_order(call.order, [&](auto order) {
    return with_storage(call.dtype, [&](auto storage) {
      using row = polynorm_row<decltype(order)::order, typename decltype(storage)::type, Gated>;
      return run(type_tag<row>{});
    });
  });
}

inline bool streams_out(const activation_call& call) {
  return too_large_to_cache(call.rows * call.cols * (call.dtype == PC_F32 ? 4 : 2));
}

template <bool Gated>
pc_status polynorm_forward_of(pc_queue& queue, const activation_call& call) {
  return with_row<Gated>(call, [&](auto tag) {
    using row = typename decltype(tag)::type;
    const bool streaming = streams_out(call);
    for_each_chunk(queue, call, true, [&](const chunk& c, int64_t) {
      for (int64_t r = c.row; r < c.row_end; ++r) row(call, r, streaming).forward();
      if (streaming) fence_streaming();
    });
    return PC_OK;
  });
}

template <bool Gated>
pc_status polynorm_backward_of(pc_queue& queue, const activation_call& call) {
  return with_row<Gated>(call, [&](auto tag) {
    using row = typename decltype(tag)::type;
    constexpr int N = row::formula::order + 1;
    const bool streaming = streams_out(call);
    for_each_chunk(queue, call, true, [&](const chunk& c, int64_t index) {
      double total[N] = {};
      for (int64_t r = c.row; r < c.row_end; ++r) {
        double gradients[N];
        row(call, r, streaming).backward(gradients);
        for (int p = 0; p < N; ++p) total[p] += gradients[p];
      }
      memcpy(call.partials + index * N, total, sizeof total);
      if (streaming) fence_streaming();
    });
    sum_partials(call, true);
    return PC_OK;
  });
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
