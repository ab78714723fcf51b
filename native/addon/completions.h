// Promises that a queue's work settles, from whichever thread its device reports on.
#pragma once
#include <napi.h>

#include <memory>
#include <mutex>

#include "polycom.h"

namespace polycom {

// Of one environment. Threads of a device may outlive it:
// they share the ownership of this, and find it closed.
class completions : public std::enable_shared_from_this<completions> {
 public:
  // A promise of the status with which the work queued so far ends;
  // or the status of a failure to wait for it.
  Napi::Value wait(Napi::Env env, decltype(&pc_queue_notify) notify, pc_queue* queue);

 private:
  struct pending {
    std::shared_ptr<completions> owner;
    napi_deferred deferred;
    pc_status status;
  };
  static void on_done(void* context, pc_status status);
  static void settle(Napi::Env env, Napi::Function, completions* self, pending* data);
  using function = Napi::TypedThreadSafeFunction<completions, pending, settle>;

  void open(Napi::Env env);
  void begin(Napi::Env env);
  void end(Napi::Env env);

  std::mutex guard_;   // of the two below, which a device's threads use
  bool open_ = false;  // from the first wait until the environment ends
  function threadsafe_;
  int64_t waiting_ = 0;  // while there are any, the process waits for them
};

}  // namespace polycom
