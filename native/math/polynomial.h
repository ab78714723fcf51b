// What the polynomials share: parameters weight [order], highest power first, and bias, and their gradients.
#pragma once
#include "formula.h"

namespace polycom {

template <int R>
struct order_tag {
  static constexpr int order = R;
};

// run(order_tag) with an order that is 1 to PC_MAX_ORDER.
template <class Run>
static inline auto with_order(int32_t order, Run run) {
  static_assert(PC_MAX_ORDER == 4, "an order lacks its case");
  switch (order) {
    case 1:
      return run(order_tag<1>{});
    case 2:
      return run(order_tag<2>{});
    case 3:
      return run(order_tag<3>{});
    default:
      return run(order_tag<4>{});
  }
}

// Sum number p is the gradient of what multiplies power p.
template <int R>
struct polynomial : formula {
  static constexpr int order = R;
  static constexpr int sums = R + 1;

  PC_MATH void finish(int p, double sum, const formula_inputs&, float* const* gradients) {
    if (p == 0) {
      gradients[1][0] = float(sum);
    } else {
      gradients[0][R - p] = float(sum);
    }
  }
};

}  // namespace polycom
