// The driver's functions of the emulated CUDA that the library looks for: events of the one context.
#include "device.h"

extern "C" int cuCtxGetCurrent(void** context) {
  static int the_context;
  *context = &the_context;
  return 0;
}

extern "C" int cuCtxRecordEvent(void*, cudaEvent_t event) { return record_everywhere(event); }
extern "C" int cuCtxWaitEvent(void*, cudaEvent_t event) { return wait_everywhere(event); }
