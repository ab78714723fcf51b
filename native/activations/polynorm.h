// A call of PolyNorm, alone or with a gate, in its own words.
#pragma once
#include "activation.h"

namespace polycom {

struct polynorm_call : activation_call {
  int32_t order;
  const float* weight;
  const float* bias;
  float epsilon;
  double inverse_count;  // what a row's sums are multiplied by: 1 / cols, or 1 for the L2 norm
  float inverse;         // the same, rounded once

  explicit polynorm_call(const activation_call& call)
      : activation_call(call),
        order(call.inputs.order),
        weight(call.inputs.parameters[0]),
        bias(call.inputs.parameters[1]),
        epsilon(float(call.inputs.scalars[0])),
        inverse_count(call.inputs.scalars[1] == 1 ? 1.0 : 1.0 / double(call.cols)),
        inverse(float(inverse_count)) {}
};

}  // namespace polycom
