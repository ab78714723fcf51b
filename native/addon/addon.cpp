// polycom.node: what needs an owner or a thread of its own, which koffi cannot give.
// Calls of ops stay in koffi.
#include <napi.h>

#include "device_buffer.h"
#include "library.h"

namespace polycom {
namespace {

Napi::Value open(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<addon_data>()->library.New({info[0]});
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* data = new addon_data;
  env.SetInstanceData(data);
  data->library = Napi::Persistent(library::define(env));
  data->device_buffer = Napi::Persistent(device_buffer::define(env));
  exports.Set("abiVersion", Napi::Number::New(env, PC_ABI_VERSION));
  exports.Set("open", Napi::Function::New(env, open));
  return exports;
}

}  // namespace
}  // namespace polycom

static Napi::Object initialise_polycom(Napi::Env env, Napi::Object exports) {
  return polycom::initialise(env, exports);
}
NODE_API_MODULE(polycom, initialise_polycom)
