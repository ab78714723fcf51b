// Memory on a device, owned by a JavaScript object.
#pragma once
#include <napi.h>

#include <memory>

#include "library.h"

namespace polycom {

class device_buffer : public Napi::ObjectWrap<device_buffer> {
 public:
  // What a new buffer takes over.
  struct claim {
    void* memory;
    decltype(&pc_memory_free) free;
    int64_t accounted;  // what it weighs on V8's scales, in bytes
    std::shared_ptr<external_memory> account;
  };

  static Napi::Function define(Napi::Env env);
  explicit device_buffer(const Napi::CallbackInfo& info);  // (External<claim>)
  void Finalize(Napi::BasicEnv env) override;              // the safety net, for those that nobody disposed

 private:
  Napi::Value address(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);  // () -> pc_status; again: nothing
  pc_status release(Napi::BasicEnv env);

  claim own_{};
};

}  // namespace polycom
