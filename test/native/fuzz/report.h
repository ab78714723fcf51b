// What a thread is fuzzing just now, told if it goes wrong.
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "polycom.h"

namespace fuzz {

struct progress {
  const char* mode = "none";
  const char* op = "none";
  uint64_t seed = 0;
  int64_t call = 0;
  int64_t refused = 0, compared = 0;
};
inline thread_local progress now;

inline void tell_where() {
  fprintf(stderr, "fuzz: call %lld, %s, on %s; again with: %s %llu 0 %lld\n", (long long)now.call, now.op,
          now.mode, now.mode, (unsigned long long)now.seed, (long long)now.call);
}

// Ends the program, as a sanitizer's report does.
__attribute__((format(printf, 2, 3))) inline void expect(bool holds, const char* format, ...) {
  if (holds) return;
  va_list values;
  va_start(values, format);
  fprintf(stderr, "fuzz: ");
  vfprintf(stderr, format, values);
  va_end(values);
  char text[1024];
  pc_last_error(text, sizeof text);
  fprintf(stderr, "\nfuzz: the last error: %s\n", text);
  tell_where();
  _Exit(1);
}

}  // namespace fuzz
