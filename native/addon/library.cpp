#include "library.h"

#include "device_buffer.h"

namespace polycom {
namespace {

pc_queue* queue_of(const Napi::Value& value) {
  bool lossless = false;
  const uint64_t address = value.As<Napi::BigInt>().Uint64Value(&lossless);
  return lossless ? reinterpret_cast<pc_queue*>(uintptr_t(address)) : nullptr;
}

}  // namespace

Napi::Function library::define(Napi::Env env) {
  return DefineClass(
      env, "Library",
      {InstanceMethod<&library::allocate>("allocate"),
       InstanceMethod<&library::allocate_host>("allocateHost"), InstanceMethod<&library::done>("done")});
}

library::library(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const auto addresses = info[0].As<Napi::BigUint64Array>();
  constexpr size_t count = sizeof(functions) / sizeof(void*);
  if (addresses.ElementLength() != count) throw Napi::TypeError::New(info.Env(), "expected 4 addresses");
  uintptr_t given[count];
  for (size_t i = 0; i < count; ++i) given[i] = uintptr_t(addresses[i]);
  functions_ = {reinterpret_cast<decltype(functions::allocate)>(given[0]),
                reinterpret_cast<decltype(functions::allocate_host)>(given[1]),
                reinterpret_cast<decltype(functions::free)>(given[2]),
                reinterpret_cast<decltype(functions::notify)>(given[3])};
}

Napi::Value library::allocate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  void* memory = nullptr;
  const int64_t bytes = info[1].As<Napi::Number>().Int64Value();
  const int64_t accounted = info[2].As<Napi::Number>().Int64Value();
  const pc_status status = functions_.allocate(queue_of(info[0]), bytes, &memory);
  if (status != PC_OK) return Napi::Number::New(env, status);
  const auto* data = env.GetInstanceData<addon_data>();
  device_buffer::claim claim{memory, functions_.free, accounted, data->memory};
  try {
    return data->device_buffer.New({Napi::External<device_buffer::claim>::New(env, &claim)});
  } catch (const Napi::Error&) {
    if (claim.account != nullptr) functions_.free(memory);  // there is no buffer to do it
    throw;
  }
}

Napi::Value library::allocate_host(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  void* memory = nullptr;
  const int64_t bytes = info[1].As<Napi::Number>().Int64Value();
  const pc_status status = functions_.allocate_host(queue_of(info[0]), bytes, &memory);
  if (status != PC_OK) return Napi::Number::New(env, status);
  if (memory == nullptr) return Napi::ArrayBuffer::New(env, 0);
  try {
    const auto free = functions_.free;
    return Napi::ArrayBuffer::New(env, memory, size_t(bytes),
                                  [free](Napi::BasicEnv, void* data) { free(data); });
  } catch (const Napi::Error&) {
    functions_.free(memory);  // Electron keeps foreign memory out of V8: there it is ordinary memory
    return Napi::ArrayBuffer::New(env, size_t(bytes));
  }
}

Napi::Value library::done(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return env.GetInstanceData<addon_data>()->waits->wait(env, functions_.notify, queue_of(info[0]));
}

}  // namespace polycom
