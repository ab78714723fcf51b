// A stream on CUDA: each thread takes a few slots of every input, all of their loads in flight before the first store.
#include "call.h"
#include "runtime/cuda/launch.cuh"

namespace polycom {
namespace cuda {
namespace {

constexpr int threads = 256;

__device__ __forceinline__ uint4 mixed(uint4 a, uint4 b) {
  return {a.x ^ b.x, a.y ^ b.y, a.z ^ b.z, a.w ^ b.w};
}
__device__ __forceinline__ uint16_t mixed(uint16_t a, uint16_t b) { return uint16_t(a ^ b); }

template <bool Streaming, class Unit>
__device__ __forceinline__ Unit load(const char* from, int64_t i) {
  const Unit* place = reinterpret_cast<const Unit*>(from) + i;
  return Streaming ? __ldcs(place) : *place;
}

template <bool Streaming, class Unit>
__device__ __forceinline__ void store(char* to, int64_t i, Unit value) {
  Unit* place = reinterpret_cast<Unit*>(to) + i;
  if (Streaming) {
    __stcs(place, value);
  } else {
    *place = value;
  }
}

// Of each input, a thread's.
template <class Counts>
constexpr int slots_of = Counts::inputs == 1 ? 4 : 2;

template <class Counts, class Unit, bool Streaming>
__global__ void __launch_bounds__(threads, 1) stream_kernel(const stream_call call, int64_t units) {
  constexpr int slots = slots_of<Counts>;
  const int64_t tile = int64_t(threads) * slots;
  for (int64_t first = blockIdx.x * tile + threadIdx.x; first < units; first += gridDim.x * tile) {
    Unit taken[Counts::inputs][slots] = {};
#pragma unroll
    for (int s = 0; s < slots; ++s) {
      const int64_t i = first + int64_t(s) * threads;
      if (i >= units) continue;
#pragma unroll
      for (int k = 0; k < Counts::inputs; ++k) taken[k][s] = load<Streaming, Unit>(call.in[k], i);
    }
#pragma unroll
    for (int s = 0; s < slots; ++s) {
      const int64_t i = first + int64_t(s) * threads;
      if (i >= units) continue;
      Unit value = taken[0][s];
#pragma unroll
      for (int k = 1; k < Counts::inputs; ++k) value = mixed(value, taken[k][s]);
#pragma unroll
      for (int k = 0; k < Counts::outputs; ++k) store<Streaming>(call.out[k], i, value);
    }
  }
}

template <class Counts, class Unit>
pc_status stream_units(const pc_queue& queue, const stream_call& call, int64_t units) {
  if (units == 0) return PC_OK;
  const int64_t blocks = divide_up(units, int64_t(threads) * slots_of<Counts>);
  const auto kernel = call.streaming ? stream_kernel<Counts, Unit, true> : stream_kernel<Counts, Unit, false>;
  return launch(queue, {blocks, threads}, kernel, call, units);
}

bool is_aligned(const stream_call& call) {
  uintptr_t bits = 0;
  for (int k = 0; k < call.inputs; ++k) bits |= uintptr_t(call.in[k]);
  for (int k = 0; k < call.outputs; ++k) bits |= uintptr_t(call.out[k]);
  return bits % sizeof(uint4) == 0;
}

// The same from a byte on.
stream_call behind(stream_call call, int64_t bytes) {
  for (int k = 0; k < call.inputs; ++k) call.in[k] += bytes;
  for (int k = 0; k < call.outputs; ++k) call.out[k] += bytes;
  return call;
}

}  // namespace

pc_status stream(pc_queue& queue, const stream_call& call) {
  return with_stream_counts(call, [&](auto counts) {
    using given = decltype(counts);
    const int64_t whole = is_aligned(call) ? call.bytes / int64_t(sizeof(uint4)) : 0;
    const int64_t done = whole * int64_t(sizeof(uint4));
    if (pc_status status = stream_units<given, uint4>(queue, call, whole)) return status;
    return stream_units<given, uint16_t>(queue, behind(call, done), (call.bytes - done) / 2);
  });
}

}  // namespace cuda
}  // namespace polycom
