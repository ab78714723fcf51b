// What V8 is told of memory outside its heap, so that its collector runs before dropped buffers pile up.
#pragma once
#include <napi.h>

namespace polycom {

class external_memory {
 public:
  // V8 is told in steps: each word of it may start a collection.
  void change(Napi::BasicEnv env, int64_t bytes) {
    live_ += bytes;
    const int64_t away = live_ - told_;
    if (away < step && away > -step) return;
    Napi::MemoryManagement::AdjustExternalMemory(env, away);
    told_ = live_;
  }

 private:
  static constexpr int64_t step = 32 << 20;
  int64_t live_ = 0, told_ = 0;
};

}  // namespace polycom
