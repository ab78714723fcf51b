// Which random word decides on an element of dropout. Elements come in groups of 64, and a group has sixteen
// of Philox's counters: word k of counter c is that of element 16 k + c. So a vector of counters gives four
// runs of elements.
#pragma once
#include "philox.h"

namespace polycom {

constexpr int dropout_counters = 16;
constexpr int dropout_group = 4 * dropout_counters;

}  // namespace polycom
