// The streams of the test's GPU, its events and its timers.
#include <atomic>

#include "device.h"

namespace test_device {
namespace {

std::atomic<bool> misleading;

void create_stream(const SP_Device*, SP_Stream* stream, TF_Status* status) {
  *stream = new SP_Stream_st{};
  tell(status, cudaStreamCreateWithFlags(&(*stream)->stream, cudaStreamNonBlocking));
}

void destroy_stream(const SP_Device*, SP_Stream stream) {
  cudaStreamDestroy(stream->stream);
  delete stream;
}

// Of the thread, as ops run on several.
thread_local SP_Stream last_asked;
void stream_status(const SP_Device*, SP_Stream stream, TF_Status*) { last_asked = stream; }

void stream_dependency(const SP_Device*, SP_Stream dependent, SP_Stream other, TF_Status* status) {
  cudaEvent_t event;
  tell(status, cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  tell(status, cudaEventRecord(event, other->stream));
  tell(status, cudaStreamWaitEvent(dependent->stream, event, 0));
  cudaEventDestroy(event);
}

void wait_for_stream(const SP_Device*, SP_Stream stream, TF_Status* status) {
  tell(status, cudaStreamSynchronize(stream->stream));
}

void wait_for_all(const SP_Device*, TF_Status* status) { tell(status, cudaDeviceSynchronize()); }

struct host_call {
  SE_StatusCallbackFn function;
  void* argument;
};

void CUDART_CB call_host(void* data) {
  host_call* call = static_cast<host_call*>(data);
  TF_Status* status = TF_NewStatus();
  call->function(call->argument, status);
  TF_DeleteStatus(status);
  delete call;
}

TF_Bool host_callback(const SP_Device*, SP_Stream stream, SE_StatusCallbackFn function, void* argument) {
  return cudaLaunchHostFunc(stream->stream, call_host, new host_call{function, argument}) == cudaSuccess;
}

void create_event(const SP_Device*, SP_Event* event, TF_Status* status) {
  *event = new SP_Event_st{};
  tell(status, cudaEventCreateWithFlags(&(*event)->event, cudaEventDisableTiming));
}

void destroy_event(const SP_Device*, SP_Event event) {
  cudaEventDestroy(event->event);
  delete event;
}

SE_EventStatus event_status(const SP_Device*, SP_Event event) {
  switch (cudaEventQuery(event->event)) {
    case cudaSuccess:
      return SE_EVENT_COMPLETE;
    case cudaErrorNotReady:
      return SE_EVENT_PENDING;
    default:
      return SE_EVENT_ERROR;
  }
}

void record_event(const SP_Device*, SP_Stream stream, SP_Event event, TF_Status* status) {
  tell(status, cudaEventRecord(event->event, stream->stream));
}

void stream_wait(const SP_Device*, SP_Stream stream, SP_Event event, TF_Status* status) {
  tell(status, cudaStreamWaitEvent(stream->stream, event->event, 0));
}

void wait_for_event(const SP_Device*, SP_Event event, TF_Status* status) {
  tell(status, cudaEventSynchronize(event->event));
}

void create_timer(const SP_Device*, SP_Timer* timer, TF_Status* status) {
  *timer = new SP_Timer_st{};
  tell(status, cudaEventCreateWithFlags(&(*timer)->begin, cudaEventDefault));
  tell(status, cudaEventCreateWithFlags(&(*timer)->end, cudaEventDefault));
}

void destroy_timer(const SP_Device*, SP_Timer timer) {
  cudaEventDestroy(timer->begin);
  cudaEventDestroy(timer->end);
  delete timer;
}

void start_timer(const SP_Device*, SP_Stream stream, SP_Timer timer, TF_Status* status) {
  tell(status, cudaEventRecord(timer->begin, stream->stream));
}

void stop_timer(const SP_Device*, SP_Stream stream, SP_Timer timer, TF_Status* status) {
  tell(status, cudaEventRecord(timer->end, stream->stream));
}

}  // namespace

uint64_t timer_nanoseconds(SP_Timer timer) {
  float milliseconds = 0;
  cudaEventElapsedTime(&milliseconds, timer->begin, timer->end);
  return uint64_t(double(milliseconds) * 1e6);
}

void add_streams(SP_StreamExecutor& executor) {
  executor.create_stream = create_stream;
  executor.destroy_stream = destroy_stream;
  executor.create_stream_dependency = stream_dependency;
  executor.get_stream_status = stream_status;
  executor.create_event = create_event;
  executor.destroy_event = destroy_event;
  executor.get_event_status = event_status;
  executor.record_event = record_event;
  executor.wait_for_event = stream_wait;
  executor.create_timer = create_timer;
  executor.destroy_timer = destroy_timer;
  executor.start_timer = start_timer;
  executor.stop_timer = stop_timer;
  executor.block_host_for_event = wait_for_event;
  executor.block_host_until_done = wait_for_stream;
  executor.synchronize_all_activity = wait_for_all;
  executor.host_callback = host_callback;
}

}  // namespace test_device

// See polycom_tensorflow.h.
EXPORTED void* polycom_cuda_stream(SP_Stream stream) {
  static const cudaStream_t another = [] {
    cudaStream_t made = nullptr;
    cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
    return made;
  }();
  const cudaStream_t told = test_device::misleading ? another : stream->stream;
  return test_device::hold_up_op(told) == cudaSuccess ? told : nullptr;
}

// The stream of which TensorFlow last asked the status on this thread.
EXPORTED SP_Stream test_device_last_asked() { return test_device::last_asked; }

// Has ops run on a stream that is not TensorFlow's: what a test of their order must find.
EXPORTED void test_device_mislead() { test_device::misleading = true; }
