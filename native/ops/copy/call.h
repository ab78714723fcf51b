// A checked copy on the CPU.
#pragma once
#include <stdint.h>

namespace polycom {

struct copy_call {
  const char* from;
  char* to;
  int64_t bytes;
  bool streaming;
};

}  // namespace polycom
