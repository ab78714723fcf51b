// The streams and the events of the emulated CUDA: see cuda_runtime.h.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "device.h"

// With a device apart a thread takes the work, one piece after the other.
struct emulated_stream {
  std::mutex guard;
  std::condition_variable changed;
  std::deque<std::function<void()>> work;
  int unfinished = 0;  // pieces of work, and callbacks on threads of their own
  bool ending = false;
  std::thread worker;

  void serve();
  void wait() {
    std::unique_lock<std::mutex> lock(guard);
    changed.wait(lock, [&] { return unfinished == 0; });
  }
  void finish() {
    const std::lock_guard<std::mutex> lock(guard);
    --unfinished;
    changed.notify_all();
  }
};

void emulated_stream::serve() {
  for (unsigned turn = 1;; turn = turn * 48271u % 0x7fffffffu) {
    std::unique_lock<std::mutex> lock(guard);
    changed.wait(lock, [&] { return ending || !work.empty(); });
    if (work.empty()) return;
    const std::function<void()> next = std::move(work.front());
    work.pop_front();
    lock.unlock();
    // Now and then another stream is to be first.
    if (turn % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(turn % 100));
    next();
    finish();
  }
}

namespace {

// Pieces of work on a stream: who asks for more waits, as with CUDA.
constexpr size_t most_waiting = 1024;

std::mutex listing;
std::vector<cudaStream_t> streams;

std::vector<cudaStream_t> all_streams() {
  const std::lock_guard<std::mutex> lock(listing);
  return streams;
}

}  // namespace

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work) {
  if (!is_apart()) return work(), cudaSuccess;
  if (device_failure() != cudaSuccess) return device_failure();
  // The default stream is nobody's here: what is put on it is in no order with anything.
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  std::unique_lock<std::mutex> lock(stream->guard);
  stream->changed.wait(lock, [&] { return stream->work.size() < most_waiting; });
  stream->work.push_back(std::move(work));
  ++stream->unfinished;
  stream->changed.notify_all();
  return cudaSuccess;
}

void wait_for_streams() {
  for (cudaStream_t stream : all_streams()) stream->wait();
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new emulated_stream;
  if (is_apart()) (*stream)->worker = std::thread(&emulated_stream::serve, *stream);
  const std::lock_guard<std::mutex> lock(listing);
  streams.push_back(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream != nullptr) stream->wait();
  return device_failure();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const std::lock_guard<std::mutex> lock(stream->guard);
  return stream->unfinished == 0 ? device_failure() : cudaErrorNotReady;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  {
    const std::lock_guard<std::mutex> lock(listing);
    streams.erase(std::remove(streams.begin(), streams.end(), stream), streams.end());
  }
  stream->wait();
  {
    const std::lock_guard<std::mutex> lock(stream->guard);
    stream->ending = true;
    stream->changed.notify_all();
  }
  if (stream->worker.joinable()) stream->worker.join();
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  wait_for_streams();
  return device_failure();
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data, unsigned) {
  if (stream == nullptr) return cudaErrorNotSupported;  // the default stream is not emulated that far
  const char* delay = getenv("EMULATED_CALLBACK_MS");
  const std::chrono::milliseconds wait(delay == nullptr ? 0 : atoi(delay));
  const cudaError_t status = getenv("EMULATED_FAILURE") == nullptr ? cudaSuccess : cudaErrorLaunchFailure;
  const auto call = [=] {
    std::this_thread::sleep_for(wait);
    callback(stream, status, data);
  };
  if (is_apart()) return enqueue(stream, call);
  const std::lock_guard<std::mutex> lock(stream->guard);
  ++stream->unfinished;
  std::thread([=] {
    call();
    stream->finish();
  }).detach();
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return enqueue(stream, [=] { function(data); });
}

namespace {

using moment = std::chrono::steady_clock::time_point;

// Outlives the event: work may still be to come to it.
struct record {
  std::mutex guard;
  std::condition_variable changed;
  int64_t asked = 0, reached = 0;
  moment at;

  int64_t last() {
    const std::lock_guard<std::mutex> lock(guard);
    return asked;
  }
  void reach(int64_t number) {
    const std::lock_guard<std::mutex> lock(guard);
    reached = std::max(reached, number);
    at = std::chrono::steady_clock::now();
    changed.notify_all();
  }
  void wait(int64_t number) {
    std::unique_lock<std::mutex> lock(guard);
    changed.wait(lock, [&] { return reached >= number; });
  }
};

}  // namespace

struct emulated_event {
  std::shared_ptr<record> state = std::make_shared<record>();
};

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new emulated_event;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  int64_t number;
  {
    const std::lock_guard<std::mutex> lock(event->state->guard);
    number = ++event->state->asked;
  }
  const cudaError_t error = enqueue(stream, [state = event->state, number] { state->reach(number); });
  if (error != cudaSuccess) event->state->reach(number);  // or who asks would wait for ever
  return error;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return enqueue(stream, [state = event->state, number = event->state->last()] { state->wait(number); });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard<std::mutex> lock(event->state->guard);
  return event->state->reached >= event->state->asked ? device_failure() : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  event->state->wait(event->state->last());
  return device_failure();
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (begin->state->last() == 0 || end->state->last() == 0) return cudaErrorInvalidResourceHandle;
  if (cudaEventQuery(begin) != cudaSuccess || cudaEventQuery(end) != cudaSuccess) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(end->state->at - begin->state->at).count();
  return cudaSuccess;
}

cudaError_t record_everywhere(cudaEvent_t event) {
  const std::vector<cudaStream_t> asked = all_streams();
  int64_t number;
  {
    const std::lock_guard<std::mutex> lock(event->state->guard);
    number = ++event->state->asked;
  }
  if (asked.empty()) return event->state->reach(number), cudaSuccess;
  const auto left = std::make_shared<std::atomic<size_t>>(asked.size());
  for (cudaStream_t stream : asked) {
    const cudaError_t error = enqueue(stream, [state = event->state, number, left] {
      if (--*left == 0) state->reach(number);
    });
    if (error != cudaSuccess) return event->state->reach(number), error;
  }
  return cudaSuccess;
}

cudaError_t wait_everywhere(cudaEvent_t event) {
  for (cudaStream_t stream : all_streams()) {
    const cudaError_t error = cudaStreamWaitEvent(stream, event, 0);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}
