// GEGLU (Shazeer 2020, arXiv 2002.05202): y = GELU(gate) up.
#pragma once
#include "gelu.h"

namespace polycom {

using geglu = gated<gelu>;

}  // namespace polycom
