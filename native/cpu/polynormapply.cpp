// PolyNorm on the CPU of rows whose columns are split: their sums, and what the sums of whole rows make of
// them.
#include "core/polynormapply.h"

#include "cpu/polynorm_row.h"
#include "cpu/ranges.h"

namespace polycom {
namespace cpu {
namespace {

constexpr int64_t piece = 16384;  // elements

template <int N>
bool all_finite(const double (&sums)[N]) {
  bool finite = true;
  for (double sum : sums) finite = finite && sum - sum == 0;
  return finite;
}

template <int R, class T>
void moments_of(const polynormapply_call& call, int64_t r) {
  using formula = polynorm<R>;
  const T* x = call.x.row<const T>(r);
  double sums[R];
  lane_sums<R> lanes_of_sums;
  accumulate(call.cols, lanes_of_sums,
             [&](int64_t i, int64_t n, vec* s) { formula::add_moments(load_up_to(x + i, n), s); });
  lanes_of_sums.total(sums);
  if (!all_finite(sums)) {
    for (double& sum : sums) sum = 0;
    for (int64_t i = 0; i < call.cols; ++i) formula::add_moments(load_one(x + i), sums);
  }
  for (int p = 0; p < R; ++p) call.sums[r * R + p] = float(sums[p] * call.inverse_count);
}

template <int R, class T>
void products_of(const polynormapply_call& call, int64_t r) {
  const T *x = call.x.row<const T>(r), *dy = call.dy.row<const T>(r);
  double sums[R + 1];
  lane_sums<R + 1> lanes_of_sums;
  accumulate(call.cols, lanes_of_sums, [&](int64_t i, int64_t n, vec* s) {
    polynorm<R>::add_products(load_up_to(x + i, n), load_up_to(dy + i, n), s);
  });
  lanes_of_sums.total(sums);
  if (!all_finite(sums)) {
    for (double& sum : sums) sum = 0;
    for (int64_t i = 0; i < call.cols; ++i)
      polynorm<R>::add_products(load_one(x + i), load_one(dy + i), sums);
  }
  for (int p = 0; p <= R; ++p) call.sums[r * (R + 1) + p] = float(sums[p]);
}

template <int R>
void read_means(const polynormapply_call& call, int64_t r, double (&means)[R]) {
  for (int p = 0; p < R; ++p) means[p] = double(call.moments[r * R + p]);
}

template <int R, class T>
void forward_row(const polynormapply_call& call, int64_t r) {
  using formula = polynorm<R>;
  double means[R];
  read_means(call, r, means);
  const auto row =
      formula::template fold_forward<float>(means, double(call.epsilon), call.weight, *call.bias);
  const T* x = call.x.row<const T>(r);
  map(output<T>{call.out.row<T>(r)}, call.cols, false,
      [&](int64_t i, int64_t n) { return formula::forward(load_up_to(x + i, n), row); });
}

// `gradients` receives the row's share of the coefficients'. Of a row of which a term has vanished, x^2 may
// be no float: in double, which holds all powers that are left.
template <int R, class T>
void backward_row(const polynormapply_call& call, int64_t r, double (&gradients)[R + 1]) {
  using formula = polynorm<R>;
  double means[R], products[R + 1];
  read_means(call, r, means);
  for (int p = 0; p <= R; ++p) products[p] = double(call.products[r * (R + 1) + p]);
  const bool vanished = formula::drop_vanished(means, products);
  const auto row = formula::template fold_backward<double>(means, products, call.inverse_count,
                                                           double(call.epsilon), call.weight, gradients);
  const T *x = call.x.row<const T>(r), *dy = call.dy.row<const T>(r);
  T* const dx = call.out.row<T>(r);
  if (vanished) {
    for (int64_t i = 0; i < call.cols; ++i)
      store_one(dx + i, formula::backward(load_one(x + i), load_one(dy + i), row));
    return;
  }
  const auto narrow = formula::template narrowed<float>(row);
  map(output<T>{dx}, call.cols, false, [&](int64_t i, int64_t n) {
    return formula::backward(load_up_to(x + i, n), load_up_to(dy + i, n), narrow);
  });
}

// of_row(order_tag, type_tag of the storage, r) for each row.
template <class OfRow>
pc_status for_each_row(pc_queue& queue, const polynormapply_call& call, OfRow of_row) {
  return with_order_and_storage(call, [&](auto order, auto storage) {
    for_each_range(queue, call.rows, rows_of(piece, call.cols), [&](int64_t first, int64_t past) {
      for (int64_t r = first; r < past; ++r) of_row(order, storage, r);
    });
    return PC_OK;
  });
}

void sum_pieces(const polynormapply_call& call) {
  const int64_t count = cut_apply(call.rows).count, width = call.order + 1;
  for (int64_t p = 0; p < width; ++p) {
    double total = 0;
    for (int64_t i = 0; i < count; ++i) total += call.workspace[i * width + p];
    (p == 0 ? call.dbias[0] : call.dweight[call.order - p]) = float(total);
  }
}

}  // namespace

namespace PC_ISA {

pc_status polynormmoments(pc_queue& queue, const polynormapply_call& call) {
  return for_each_row(queue, call, [&](auto order, auto storage, int64_t r) {
    moments_of<decltype(order)::order, typename decltype(storage)::type>(call, r);
  });
}

pc_status polynormproducts(pc_queue& queue, const polynormapply_call& call) {
  return for_each_row(queue, call, [&](auto order, auto storage, int64_t r) {
    products_of<decltype(order)::order, typename decltype(storage)::type>(call, r);
  });
}

pc_status polynormapply_forward(pc_queue& queue, const polynormapply_call& call) {
  return for_each_row(queue, call, [&](auto order, auto storage, int64_t r) {
    forward_row<decltype(order)::order, typename decltype(storage)::type>(call, r);
  });
}

pc_status polynormapply_backward(pc_queue& queue, const polynormapply_call& call) {
  return with_order_and_storage(call, [&](auto order, auto storage) {
    constexpr int R = decltype(order)::order;
    const int64_t size = cut_apply(call.rows).rows;
    for_each_range(queue, call.rows, size, [&](int64_t first, int64_t past) {
      double total[R + 1] = {};
      for (int64_t r = first; r < past; ++r) {
        double gradients[R + 1];
        backward_row<R, typename decltype(storage)::type>(call, r, gradients);
        for (int p = 0; p <= R; ++p) total[p] += gradients[p];
      }
      memcpy(call.workspace + first / size * (R + 1), total, sizeof total);
    });
    sum_pieces(call);
    return PC_OK;
  });
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
