// A copy with the same threads, chunks and stores as the kernels: what they are measured against.
#include "call.h"
#include "runtime/cpu/simd.h"
#include "runtime/threads.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {

pc_status copy(pc_queue& queue, const copy_call& call) {
  constexpr int64_t chunk_bytes = 256 << 10;
  parallel_for((call.bytes + chunk_bytes - 1) / chunk_bytes, queue.threads,
               [](void* opaque, int64_t i) {
                 const copy_call& c = *static_cast<const copy_call*>(opaque);
                 const int64_t from = i * chunk_bytes, left = c.bytes - from;
                 const int64_t bytes = left < chunk_bytes ? left : chunk_bytes;
                 if (!c.streaming || (uintptr_t(c.to) | uintptr_t(bytes)) % 4 != 0) {
                   memcpy(c.to + from, c.from + from, size_t(bytes));
                   return;
                 }
                 const float* x = reinterpret_cast<const float*>(c.from + from);
                 map(output<float>{reinterpret_cast<float*>(c.to + from)}, bytes / 4, true,
                     [&](int64_t at, int64_t n) { return load_up_to(x + at, n); });
                 fence_streaming();
               },
               const_cast<copy_call*>(&call));
  return PC_OK;
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
