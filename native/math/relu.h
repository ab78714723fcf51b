// ReLU: y = max(x, 0); dx = 0 where x <= 0, else g. A NaN stays one in y.
#pragma once
#include "formula.h"

namespace polycom {

struct relu : formula {
  template <class V>
  PC_MATH V forward(V x, const nothing&) {
    return positive_part(x);
  }

  template <class V>
  PC_MATH V backward(V x, V g, const nothing&) {
    return x <= 0 ? zero_like(x) : g;
  }
};

}  // namespace polycom
