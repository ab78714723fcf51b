// PolyReLU with a gate: y = PolyReLU(gate) up.
#pragma once
#include "polyrelu.h"

namespace polycom {

using polyreluglu = gated<polyrelu>;

}  // namespace polycom
