// The forms that a kernel is compiled in, as types: a storage, an order.
#pragma once
#include "core/activation.h"

namespace polycom {

template <class T>
struct type_tag {
  using type = T;
};

template <int R>
struct order_tag {
  static constexpr int order = R;
};

// run(order_tag) with a call's order, which core/activation.cpp has checked.
template <class Run>
static inline pc_status with_order(int32_t order, Run run) {
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

}  // namespace polycom
