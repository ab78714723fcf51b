// The text of this thread's last failure, and the one way to report one.
#pragma once
#include "polycom.h"

namespace polycom {

// Stores the text for pc_last_error and returns `status`.
__attribute__((format(printf, 2, 3))) pc_status fail(pc_status status, const char* format, ...);

}  // namespace polycom
