#include "device_buffer.h"

#include <utility>

namespace polycom {

Napi::Function device_buffer::define(Napi::Env env) {
  return DefineClass(env, "DeviceBuffer",
                     {InstanceAccessor<&device_buffer::address>("address"),
                      InstanceMethod<&device_buffer::dispose>("dispose")});
}

device_buffer::device_buffer(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "a DeviceBuffer is made by allocate");
  own_ = std::exchange(*info[0].As<Napi::External<claim>>().Data(), {});
  own_.account->change(info.Env(), own_.accounted);
}

void device_buffer::Finalize(Napi::BasicEnv env) { release(env); }

Napi::Value device_buffer::address(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), uint64_t(reinterpret_cast<uintptr_t>(own_.memory)));
}

Napi::Value device_buffer::dispose(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), release(info.Env()));
}

pc_status device_buffer::release(Napi::BasicEnv env) {
  if (own_.account == nullptr) return PC_OK;
  const claim freed = std::exchange(own_, {});
  freed.account->change(env, -freed.accounted);
  return freed.free(freed.memory);
}

}  // namespace polycom
