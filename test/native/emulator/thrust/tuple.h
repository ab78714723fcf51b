// Thrust's tuples for the emulated CUDA: the C++ compiler's own.
#pragma once
#include <tuple>

namespace thrust {

using std::make_tuple;
using std::tuple;

}  // namespace thrust
