// What the parts of the test's GPU for TensorFlow share.
#pragma once
#include <cuda_runtime.h>

#include "tensorflow/c/experimental/stream_executor/stream_executor.h"

struct SP_Stream_st {
  cudaStream_t stream;
};
struct SP_Event_st {
  cudaEvent_t event;
};
struct SP_Timer_st {
  cudaEvent_t begin, end;
};

namespace test_device {

inline void tell(TF_Status* status, cudaError_t error) {
  if (error != cudaSuccess) TF_SetStatus(status, TF_INTERNAL, cudaGetErrorName(error));
}

// Has the stream of an op wait, as behind a long kernel, if the test asked for that.
cudaError_t hold_up_op(cudaStream_t stream);

// Give TensorFlow the functions of a part.
void add_memory(SP_StreamExecutor& executor);
void add_streams(SP_StreamExecutor& executor);
uint64_t timer_nanoseconds(SP_Timer timer);

}  // namespace test_device

#define EXPORTED extern "C" __attribute__((visibility("default")))
