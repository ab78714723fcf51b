// Element-wise activations on the CPU: one read and one write of each tensor, the parameters' gradients on
// the way. For what a formula is, see math/formula.h.
#pragma once
#include "chunks.h"
#include "gelu.h"

namespace polycom {
namespace cpu {
namespace {

// A run of contiguous elements: where each tensor has it. Those that the call lacks are null.
template <class T>
struct run_of {
  const T *x, *up, *dy;
  T *out, *dup;

  run_of(const activation_call& call, int64_t row, int64_t col)
      : x(at<const T>(call.x, row, col)),
        up(at<const T>(call.up, row, col)),
        dy(at<const T>(call.dy, row, col)),
        out(at<T>(call.out, row, col)),
        dup(at<T>(call.dup, row, col)) {}

  template <class E>
  static E* at(const matrix& m, int64_t row, int64_t col) {
    return m.data == nullptr ? nullptr : m.row<E>(row) + col;
  }
};

// body(run, n) for each run of contiguous elements of a chunk.
template <class T, class Body>
PC_INLINE void for_each_run(const activation_call& call, const chunk& c, Body body) {
  const int64_t width = c.col_end - c.col;
  if (call.contiguous && c.col == 0 && c.col_end == call.cols)
    return body(run_of<T>(call, c.row, c.col), (c.row_end - c.row) * width);
  for (int64_t r = c.row; r < c.row_end; ++r) body(run_of<T>(call, r, c.col), width);
}

template <class F, class T, class C>
PC_INLINE vec forward_vector(const run_of<T>& run, int64_t i, int64_t count, const C& constants) {
  const vec x = load_up_to(run.x + i, count);
  if constexpr (F::takes_up) {
    return F::forward(x, load_up_to(run.up + i, count), constants);
  } else {
    return F::forward(x, constants);
  }
}

template <class F, class T>
pc_status forward_as(pc_queue& queue, const activation_call& call) {
  const bool streaming = too_large_to_cache(call.rows * call.cols * int64_t(sizeof(T)));
  const auto constants = F::template fold<float>(call.inputs);
  for_each_chunk(queue, call, false, [&](const chunk& c, int64_t) {
    for_each_run<T>(call, c, [&](const run_of<T>& run, int64_t n) {
      map(output<T>{run.out}, n, streaming,
          [&](int64_t i, int64_t count) { return forward_vector<F>(run, i, count, constants); });
    });
    if (streaming) fence_streaming();
  });
  return PC_OK;
}

// A block of the sums again, in double: they left float's range, or an input was not finite.
template <class F, class T, int N>
void add_sums_in_double(const run_of<T>& run, int64_t from, int64_t to, const formula_inputs& inputs,
                        double (&total)[N]) {
  const auto constants = F::template fold<double>(inputs);
  for (int64_t i = from; i < to; ++i) {
    const double x = load_one(run.x + i), dy = load_one(run.dy + i);
    if constexpr (F::takes_up) {
      F::add_sums(x, load_one(run.up + i), dy, constants, total);
    } else {
      F::add_sums(x, dy, constants, total);
    }
  }
}

template <class F, class T, class C, int N>
PC_INLINE void add_sums(const run_of<T>& run, int64_t from, int64_t to, const C& constants,
                        const formula_inputs& inputs, double (&total)[N]) {
  lane_sums<N> lanes_of_sums;
  accumulate(to - from, lanes_of_sums, [&](int64_t i, int64_t count, vec* s) {
    const vec x = load_up_to(run.x + from + i, count), dy = load_up_to(run.dy + from + i, count);
    if constexpr (F::takes_up) {
      F::add_sums(x, load_up_to(run.up + from + i, count), dy, constants, s);
    } else {
      F::add_sums(x, dy, constants, s);
    }
  });
  double sums[N];
  lanes_of_sums.total(sums);
  bool finite = true;
  for (double sum : sums) finite = finite && sum - sum == 0;
  if (!finite) return add_sums_in_double<F>(run, from, to, inputs, total);
  for (int k = 0; k < N; ++k) total[k] += sums[k];
}

template <class F, class T, class C>
PC_INLINE void map_backward(const run_of<T>& run, int64_t from, int64_t to, const C& constants,
                            bool streaming) {
  if constexpr (F::takes_up) {
    const two_outputs<T> out{{run.out + from}, {run.dup + from}};
    map(out, to - from, streaming, [&](int64_t i, int64_t count) {
      const vec x = load_up_to(run.x + from + i, count), dy = load_up_to(run.dy + from + i, count);
      vec_pair gradients;
      F::backward(x, load_up_to(run.up + from + i, count), dy, constants, &gradients.first,
                  &gradients.second);
      return gradients;
    });
  } else {
    map(output<T>{run.out + from}, to - from, streaming, [&](int64_t i, int64_t count) {
      return F::backward(load_up_to(run.x + from + i, count), load_up_to(run.dy + from + i, count),
                         constants);
    });
  }
}

template <class F, class T>
pc_status backward_as(pc_queue& queue, const activation_call& call) {
  constexpr int N = F::sums;
  const bool streaming = too_large_to_cache(call.rows * call.cols * int64_t(sizeof(T)));
  const auto constants = F::template fold<float>(call.inputs);
  for_each_chunk(queue, call, false, [&](const chunk& c, int64_t index) {
    double total[N > 0 ? N : 1] = {};
    for_each_run<T>(call, c, [&](const run_of<T>& run, int64_t n) {
      // By blocks so small that their second reading, for the sums, comes from the first-level cache.
      for (int64_t from = 0; from < n; from += block) {
        const int64_t to = n - from < block ? n : from + block;
        map_backward<F>(run, from, to, constants, streaming);
        if constexpr (N > 0) add_sums<F>(run, from, to, constants, call.inputs, total);
      }
    });
    if constexpr (N > 0) memcpy(call.partials + index * N, total, N * sizeof(double));
    if (streaming) fence_streaming();
  });
  if constexpr (N > 0) finish_sums<F>(call, false);
  return PC_OK;
}

// An activation's passes, in the call's storage.
template <class F>
pc_status elementwise_forward(pc_queue& queue, const activation_call& call) {
  return with_variant(F{}, call.inputs, [&](auto formula) {
    return with_storage(call.dtype, [&](auto storage) {
      return forward_as<typename by_vectors<decltype(formula)>::type, typename decltype(storage)::type>(queue,
                                                                                                        call);
    });
  });
}
template <class F>
pc_status elementwise_backward(pc_queue& queue, const activation_call& call) {
  return with_variant(F{}, call.inputs, [&](auto formula) {
    return with_storage(call.dtype, [&](auto storage) {
      return backward_as<typename by_vectors<decltype(formula)>::type, typename decltype(storage)::type>(
          queue, call);
    });
  });
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
