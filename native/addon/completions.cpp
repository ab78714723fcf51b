#include "completions.h"

namespace polycom {

Napi::Value completions::wait(Napi::Env env, decltype(&pc_queue_notify) notify, pc_queue* queue) {
  open(env);
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  NAPI_THROW_IF_FAILED(env, napi_create_promise(env, &deferred, &promise), Napi::Value());
  auto made = std::make_unique<pending>(pending{shared_from_this(), deferred, PC_OK});
  begin(env);
  const pc_status status = notify(queue, on_done, made.get());
  if (status == PC_OK) {
    made.release();  // on_done's now
    return Napi::Value(env, promise);
  }
  end(env);
  napi_resolve_deferred(env, deferred, env.Undefined());
  return Napi::Number::New(env, status);
}

void completions::open(Napi::Env env) {
  const std::lock_guard<std::mutex> lock(guard_);
  if (open_) return;
  // The environment's end calls the last function before it deletes the object that threads call through.
  threadsafe_ = function::New(env, "polycom: the queue's work", 0, 1, this,
                              [self = shared_from_this()](Napi::Env, void*, completions*) {
                                const std::lock_guard<std::mutex> lock(self->guard_);
                                self->open_ = false;
                              });
  threadsafe_.Unref(env);
  open_ = true;
}

void completions::on_done(void* context, pc_status status) {
  std::unique_ptr<pending> data(static_cast<pending*>(context));
  data->status = status;
  const std::shared_ptr<completions> self = data->owner;
  const std::lock_guard<std::mutex> lock(self->guard_);
  if (!self->open_) return;
  if (self->threadsafe_.NonBlockingCall(data.get()) == napi_ok) {
    data.release();  // settle's now
  } else {
    self->open_ = false;  // the environment is ending, and may have deleted its side
  }
}

// Without exceptions: a worker that is being ended takes none, and has nobody left to be told.
void completions::settle(Napi::Env env, Napi::Function, completions* self, pending* data) {
  const std::unique_ptr<pending> owned(data);
  napi_value status = nullptr;
  if (env == nullptr || napi_create_int32(env, data->status, &status) != napi_ok) return;
  self->end(env);
  napi_resolve_deferred(env, data->deferred, status);
}

void completions::begin(Napi::Env env) {
  if (waiting_++ == 0) threadsafe_.Ref(env);
}

void completions::end(Napi::Env env) {
  if (--waiting_ == 0) threadsafe_.Unref(env);
}

}  // namespace polycom
