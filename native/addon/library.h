// libpolycom, as the addon sees it: functions of the copy that koffi has loaded, by address.
#pragma once
#include <napi.h>

#include <memory>

#include "completions.h"
#include "external_memory.h"
#include "polycom.h"

namespace polycom {

struct functions {
  decltype(&pc_memory_allocate) allocate;
  decltype(&pc_memory_allocate_host) allocate_host;
  decltype(&pc_memory_free) free;
  decltype(&pc_queue_notify) notify;
};

// JavaScript: the object that `open` gives. Where a call may fail it returns the number of its pc_status in
// place of the result, and leaves the text to pc_last_error.
class library : public Napi::ObjectWrap<library> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit library(const Napi::CallbackInfo& info);  // (addresses of the functions: BigUint64Array)

 private:
  Napi::Value allocate(const Napi::CallbackInfo& info);       // (queue, bytes, accounted) -> device_buffer
  Napi::Value allocate_host(const Napi::CallbackInfo& info);  // (queue, bytes) -> ArrayBuffer
  Napi::Value done(const Napi::CallbackInfo& info);           // (queue) -> promise of a status

  functions functions_{};
};

// Of one environment: the main thread or a worker.
struct addon_data {
  Napi::FunctionReference library, device_buffer;
  std::shared_ptr<external_memory> memory = std::make_shared<external_memory>();
  std::shared_ptr<completions> waits = std::make_shared<completions>();
};

}  // namespace polycom
