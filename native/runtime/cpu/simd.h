// SIMD vectors as the compiler's own vector types: one source, compiled once per instruction set (PC_ISA).
// Everything here has internal linkage, so that no copy is merged with another instruction set's.
#pragma once
#include <stdint.h>
#include <string.h>

#include <utility>

#include "activations/activation.h"
#include "vectors.h"
#if defined(__x86_64__)
#include "simd_x86.h"
#elif defined(__aarch64__)
#include "simd_neon.h"
#else
#include "simd_any.h"
#endif

namespace polycom {
namespace cpu {
namespace {

// --- storage: f32, f16 and bf16 in memory, f32 in a register ---

struct half {
  uint16_t bits;
};
struct bfloat {
  uint16_t bits;
};

template <class T>
struct storage;

template <>
struct storage<float> {
  using raw = vec;
  static PC_INLINE vec widen(raw v) { return v; }
  static PC_INLINE raw narrow(vec v) { return v; }
};

template <>
struct storage<bfloat> {
  using raw = short_vec;
  static PC_INLINE vec widen(raw v) { return (vec)upper_halves(v); }
  // To nearest, ties to even; a NaN stays one.
  static PC_INLINE raw narrow(vec v) {
    const word_vec bits = (word_vec)v;
    const word_vec rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return __builtin_convertvector(v == v ? rounded : (bits >> 16) | 0x40, short_vec);
  }
};

template <>
struct storage<half> {
  using raw = short_vec;
  static PC_INLINE vec widen(raw v) { return widen_f16(v); }
  static PC_INLINE raw narrow(vec v) { return narrow_f16(v); }
};

// --- loads and stores ---

template <class T>
PC_INLINE vec load(const T* p) {
  typename storage<T>::raw v;
  memcpy(&v, p, sizeof v);
  return storage<T>::widen(v);
}

// The first n lanes (n < lanes) from memory, the others 0, and into it. AVX-512 does so by its masks.
#if !defined(__AVX512F__)
template <class V>
PC_INLINE void read_part(V& v, const void* p, int64_t n) {
  v = V{};
  memcpy(&v, p, size_t(n) * sizeof v[0]);
}
template <class V>
PC_INLINE void write_part(void* p, V v, int64_t n) {
  memcpy(p, &v, size_t(n) * sizeof v[0]);
}
#endif

template <class T>
PC_INLINE vec load_part(const T* p, int64_t n) {
  typename storage<T>::raw v;
  read_part(v, p, n);
  return storage<T>::widen(v);
}

// A vector, or the start of one where fewer than `lanes` are left.
template <class T>
PC_INLINE vec load_up_to(const T* p, int64_t n) {
  return n == lanes ? load(p) : load_part(p, n);
}

template <class T>
PC_INLINE double load_one(const T* p) {
  return double(load_part(p, 1)[0]);
}

template <class T>
PC_INLINE void store(T* p, vec v) {
  const auto narrow = storage<T>::narrow(v);
  memcpy(p, &narrow, sizeof narrow);
}

template <class T>
PC_INLINE void store_part(T* p, vec v, int64_t n) {
  write_part(p, storage<T>::narrow(v), n);
}

template <class T>
PC_INLINE void store_one(T* p, double value) {
  store_part(p, vec{} + float(value), 1);
}

// Past the caches, for outputs too large to stay in them: no read of the line that is overwritten. p is
// aligned to its vector. Before another thread may read them: fence_streaming().
template <class T>
PC_INLINE void store_streaming(T* p, vec v) {
  stream(p, storage<T>::narrow(v));
}

// Whether an output of so many bytes should go past the caches: it would not be found there anyway.
inline bool too_large_to_cache(int64_t bytes) { return bytes >= (8 << 20); }

// --- loops ---

// Elements before p reaches a vector's alignment.
template <class T>
PC_INLINE int64_t elements_to_alignment(const T* p) {
  constexpr uintptr_t size = sizeof(typename storage<T>::raw);
  const uintptr_t past = uintptr_t(p) % size;
  return past == 0 ? 0 : int64_t((size - past) / sizeof(T));
}

// out.to[i] = what body(i, count) gives, a vector at a time, for i in [0, n). One output, or two that are
// written at once.
template <class T>
struct output {
  T* to;

  PC_INLINE int64_t head() const { return elements_to_alignment(to); }
  template <bool Streaming>
  PC_INLINE void put(int64_t i, int64_t count, vec v) const {
    if (count < lanes) {
      store_part(to + i, v, count);
    } else if (Streaming) {
      store_streaming(to + i, v);
    } else {
      store(to + i, v);
    }
  }
};

struct vec_pair {
  vec first, second;
};

template <class T>
struct two_outputs {
  output<T> first, second;

  PC_INLINE int64_t head() const { return first.head(); }
  template <bool Streaming>
  PC_INLINE void put(int64_t i, int64_t count, const vec_pair& v) const {
    first.template put<Streaming>(i, count, v.first);
    second.template put<Streaming>(i, count, v.second);
  }
};

template <class T>
PC_INLINE bool can_stream(const output<T>&) {
  return true;
}
template <class T>
PC_INLINE bool can_stream(const two_outputs<T>& out) {
  return out.first.head() == out.second.head();
}

template <class Output, class Body>
PC_INLINE void map(const Output& out, int64_t n, bool streaming, Body body) {
  int64_t i = 0;
  if (streaming && can_stream(out)) {
    int64_t head = out.head();
    head = head < n ? head : n;
    if (head > 0) out.template put<false>(0, head, body(int64_t(0), head));
    for (i = head; i + lanes <= n; i += lanes) {
      out.template put<true>(i, lanes, body(i, int64_t(lanes)));
    }
  } else {
    for (; i + lanes <= n; i += lanes) out.template put<false>(i, lanes, body(i, int64_t(lanes)));
  }
  if (i < n) out.template put<false>(i, n - i, body(i, n - i));
}

// These lanes of a, and of b after it, in this order.
template <class Result, int... Lanes, class V>
PC_INLINE Result pick(V a, V b) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, Lanes...);
#else
  // g++ 11 lacks the builtin.
  constexpr int width = sizeof(V) / sizeof(a[0]);
  return Result{(Lanes < width ? a[Lanes % width] : b[Lanes % width])...};
#endif
}

// The lanes' sum: halves upon halves, an order that is fixed.
typedef double two_doubles __attribute__((vector_size(16)));
typedef double four_doubles __attribute__((vector_size(32)));
typedef double eight_doubles __attribute__((vector_size(64)));
PC_INLINE double sum_of_lanes(two_doubles v) { return v[0] + v[1]; }
PC_INLINE double sum_of_lanes(four_doubles v) {
  return sum_of_lanes(pick<two_doubles, 0, 1>(v, v) + pick<two_doubles, 2, 3>(v, v));
}
PC_INLINE double sum_of_lanes(eight_doubles v) {
  return sum_of_lanes(pick<four_doubles, 0, 1, 2, 3>(v, v) + pick<four_doubles, 4, 5, 6, 7>(v, v));
}
PC_INLINE double sum_of_lanes(wide_vec v) { return sum_of_lanes(v.low + v.high); }

// A block's worth of float sums, carried over into double: long rows keep their accuracy.
constexpr int64_t block = 1024;

template <int N>
struct lane_sums {
  wide_vec lane[N] = {};

  PC_INLINE void carry(const vec* even, const vec* odd) {
    for (int k = 0; k < N; ++k) lane[k] += widened(even[k] + odd[k]);
  }

  PC_INLINE void total(double* sums) {
    for (int k = 0; k < N; ++k) sums[k] = sum_of_lanes(lane[k]);
  }
};

// Runs add(i, count, sums) over [from, to) a vector at a time, into two sets of accumulators.
template <int N, class Add>
PC_INLINE void accumulate_block(int64_t from, int64_t to, vec (&even)[N], vec (&odd)[N], Add add) {
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
}

// The same over [0, n), a block at a time.
template <int N, class Add>
PC_INLINE void accumulate(int64_t n, lane_sums<N>& into, Add add) {
  for (int64_t from = 0; from < n; from += block) {
    vec even[N] = {}, odd[N] = {};
    accumulate_block(from, from + block < n ? from + block : n, even, odd, add);
    into.carry(even, odd);
  }
}

// Lane i of blocks of 2 * Distance lanes: what a holds there, or from the middle of a block on, b, `Distance` lanes
// before; each plus the lane `Distance` further.
template <int Distance, class V, int... Lanes>
PC_INLINE V fold_lanes(V a, V b, std::integer_sequence<int, Lanes...>) {
  constexpr int count = sizeof...(Lanes);
  const V near = pick<V, (Lanes % (2 * Distance) < Distance ? Lanes : count + Lanes - Distance)...>(a, b);
  const V far = pick<V, (Lanes % (2 * Distance) < Distance ? Lanes + Distance : count + Lanes)...>(a, b);
  return near + far;
}

// Lane r: the sum of the lanes of rows[r].
template <class V, int Rows>
PC_INLINE V sums_of_lanes(const V (&rows)[Rows]) {
  if constexpr (Rows == 1) {
    return rows[0];
  } else {
    constexpr int count = sizeof(V) / sizeof(rows[0][0]);
    V folded[Rows / 2];
    for (int r = 0; r < Rows / 2; ++r)
      folded[r] = fold_lanes<Rows / 2>(rows[r], rows[r + Rows / 2], std::make_integer_sequence<int, count>{});
    return sums_of_lanes(folded);
  }
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
