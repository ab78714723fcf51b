// ReGLU (Shazeer 2020, arXiv 2002.05202): y = ReLU(gate) up.
#pragma once
#include "relu.h"

namespace polycom {

using reglu = gated<relu>;

}  // namespace polycom
