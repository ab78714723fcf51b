// SIMD vectors as the compiler's own vector types: one source, compiled once per instruction set (PC_ISA).
// Everything here has internal linkage, so that no copy is merged with another instruction set's.
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/activation.h"
#include "core/threads.h"
#include "cpu/partition.h"

namespace polycom {
namespace cpu {
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

typedef float vec __attribute__((vector_size(lanes * 4)));
typedef float unaligned_vec __attribute__((vector_size(lanes * 4), aligned(4), may_alias));
typedef double wide_vec __attribute__((vector_size(lanes * 8)));

#define PC_INLINE inline __attribute__((always_inline))

PC_INLINE vec load(const float* p) { return *reinterpret_cast<const unaligned_vec*>(p); }
PC_INLINE void store(float* p, vec v) { *reinterpret_cast<unaligned_vec*>(p) = v; }

// The first n lanes (n < lanes); the others are 0.
PC_INLINE vec load_part(const float* p, int64_t n) {
  vec v{};
  memcpy(&v, p, size_t(n) * 4);
  return v;
}
PC_INLINE void store_part(float* p, vec v, int64_t n) { memcpy(p, &v, size_t(n) * 4); }

// Past the caches, for outputs too large to stay in them: no read of the line that is overwritten. p is
// aligned.
PC_INLINE void store_streaming(float* p, vec v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, __m512(v));
#elif defined(__AVX__)
  _mm256_stream_ps(p, __m256(v));
#elif defined(__x86_64__)
  _mm_stream_ps(p, __m128(v));
#else
  store(p, v);
#endif
}

// Streaming stores are weakly ordered: before another thread may read them, a fence.
PC_INLINE void fence_streaming() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// Elements before p reaches a vector's alignment.
PC_INLINE int64_t elements_to_alignment(const float* p) {
  const uintptr_t past = uintptr_t(p) % sizeof(vec);
  return past == 0 ? 0 : int64_t((sizeof(vec) - past) / 4);
}

// Whether an output of so many bytes should go past the caches: it would not be found there anyway.
inline bool too_large_to_cache(int64_t bytes) { return bytes >= (8 << 20); }

// to[i] = f(vectors of the inputs at i) for i in [0, n). load_at(i, count) loads; f takes what it gives.
template <class Load, class F>
PC_INLINE void map(float* to, int64_t n, bool streaming, Load load_at, F f) {
  int64_t i = 0;
  if (streaming) {
    int64_t head = elements_to_alignment(to);
    head = head < n ? head : n;
    if (head > 0) store_part(to, f(load_at(int64_t(0), head)), head);
    for (i = head; i + lanes <= n; i += lanes) store_streaming(to + i, f(load_at(i, int64_t(lanes))));
  } else {
    for (; i + lanes <= n; i += lanes) store(to + i, f(load_at(i, int64_t(lanes))));
  }
  if (i < n) store_part(to + i, f(load_at(i, n - i)), n - i);
}

// A block's worth of float sums, carried over into double: long rows keep their accuracy.
constexpr int64_t block = 1024;

template <int N>
struct lane_sums {
  wide_vec lane[N] = {};

  PC_INLINE void carry(const vec* even, const vec* odd) {
    for (int k = 0; k < N; ++k) lane[k] += __builtin_convertvector(even[k] + odd[k], wide_vec);
  }

  // Adds the lanes, in a fixed order.
  PC_INLINE void total(double* sums) {
    for (int k = 0; k < N; ++k) {
      double part[lanes];
      memcpy(part, &lane[k], sizeof part);
      for (int half = lanes / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; ++j) part[j] += part[j + half];
      }
      sums[k] = part[0];
    }
  }
};

// Runs add(i, count, sums) over [0, n) a vector at a time, into two sets of accumulators, a block at a time.
template <int N, class Add>
PC_INLINE void accumulate(int64_t n, lane_sums<N>& into, Add add) {
  for (int64_t from = 0; from < n; from += block) {
    const int64_t to = from + block < n ? from + block : n;
    vec even[N] = {}, odd[N] = {};
    int64_t i = from;
    for (; i + 2 * lanes <= to; i += 2 * lanes) {
      add(i, int64_t(lanes), even);
      add(i + lanes, int64_t(lanes), odd);
    }
    if (i + lanes <= to) {
      add(i, int64_t(lanes), even);
      i += lanes;
    }
    if (i < to) add(i, to - i, odd);
    into.carry(even, odd);
  }
}

// A vector, or the start of one where fewer than `lanes` are left.
PC_INLINE vec load_up_to(const float* p, int64_t n) { return n == lanes ? load(p) : load_part(p, n); }

// body(chunk, index) for every chunk of the call.
template <class Body>
void for_each_chunk(const pc_queue& queue, const activation_call& call, bool whole_rows, Body body) {
  struct context_t {
    const activation_call& call;
    partition cuts;
    Body& body;
  } context{call, cut(call.rows, call.cols, whole_rows), body};
  parallel_for(
      context.cuts.count, queue.threads,
      [](void* opaque, int64_t i) {
        auto& c = *static_cast<context_t*>(opaque);
        c.body(chunk_at(c.cuts, c.call.rows, c.call.cols, i), i);
      },
      &context);
}

// The coefficient gradients from the chunks' partial sums, [chunk][order + 1] with the bias first.
inline void sum_partials(const activation_call& call, bool whole_rows) {
  const int64_t count = cut(call.rows, call.cols, whole_rows).count, width = call.order + 1;
  for (int64_t p = 0; p < width; ++p) {
    double total = 0;
    for (int64_t i = 0; i < count; ++i) total += call.partials[i * width + p];
    (p == 0 ? call.dbias[0] : call.dweight[call.order - p]) = float(total);
  }
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
