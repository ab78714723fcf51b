// Rows in slots of 16 bytes. A slot is read and written whole, by one 128-bit access, wherever it lies inside
// its row; the one or two at the edges, which alignment or an odd width leaves ragged, element by element.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <initializer_list>
#include <type_traits>

#include "activations/activation.h"
#include "math/polynomial.h"
#include "runtime/tags.h"

namespace polycom {
namespace cuda {

constexpr int slot_bytes = 16;

// Elements that a slot holds. `Whole` false: the call's tensors are aligned differently from each other, and
// every slot is one element.
template <class T, bool Whole>
constexpr int slot_elements = Whole ? slot_bytes / int(sizeof(T)) : 1;

// Two floats as they are stored, in a word: one instruction rounds both.
__device__ __forceinline__ unsigned rounded_pair(float low, float high, type_tag<__half>) {
  const __half2 both = __floats2half2_rn(low, high);
  unsigned word;
  memcpy(&word, &both, sizeof word);
  return word;
}
__device__ __forceinline__ unsigned rounded_pair(float low, float high, type_tag<__nv_bfloat16>) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  unsigned word;
  memcpy(&word, &both, sizeof word);
  return word;
}

// The first or the second of two.
__device__ __forceinline__ float one_of_pair(unsigned word, int i, type_tag<__half>) {
  __half2 both;
  memcpy(&both, &word, sizeof both);
  return i == 0 ? __low2float(both) : __high2float(both);
}
__device__ __forceinline__ float one_of_pair(unsigned word, int i, type_tag<__nv_bfloat16>) {
  return __uint_as_float(i == 0 ? word << 16 : word & 0xffff0000u);
}

// E elements as they are stored: a row waits on chip packed, and is converted each time it is read. Those of 16 bits
// are held in pairs, for a register has two.
template <class T, int E>
struct alignas(sizeof(T) * E) packed {
  static constexpr bool paired = sizeof(T) < sizeof(float) && E % 2 == 0;
  using part = std::conditional_t<paired, unsigned, T>;
  part parts[paired ? E / 2 : E];

  __device__ __forceinline__ float operator[](int i) const {
    if constexpr (paired) {
      return one_of_pair(parts[i / 2], i % 2, type_tag<T>{});
    } else {
      return float(parts[i]);
    }
  }

  static __device__ __forceinline__ packed of(const float (&values)[E]) {
    packed made;
    if constexpr (paired) {
#pragma unroll
      for (int i = 0; i < E; i += 2)
        made.parts[i / 2] = rounded_pair(values[i], values[i + 1], type_tag<T>{});
    } else {
#pragma unroll
      for (int i = 0; i < E; ++i) made.parts[i] = T(values[i]);
    }
    return made;
  }
};

// Elements as they are, to and from a slot that is not whole.
template <class T, int E>
__device__ __forceinline__ packed<T, E> pack(const T (&elements)[E]) {
  packed<T, E> slot;
  memcpy(&slot, elements, sizeof slot);
  return slot;
}
template <class T, int E>
__device__ __forceinline__ void unpack(const packed<T, E>& slot, T (&elements)[E]) {
  memcpy(elements, &slot, sizeof slot);
}

// A whole slot, by one access.
template <class T, int E>
__device__ __forceinline__ packed<T, E> load_whole(const packed<T, E>* from) {
  if constexpr (sizeof(*from) != slot_bytes) {
    return *from;
  } else {
    const uint4 bits = *reinterpret_cast<const uint4*>(from);
    packed<T, E> slot;
    memcpy(&slot, &bits, sizeof slot);
    return slot;
  }
}

template <class T, int E>
__device__ __forceinline__ void store_whole(packed<T, E>* to, const packed<T, E>& slot) {
  if constexpr (sizeof(slot) != slot_bytes) {
    *to = slot;
  } else {
    uint4 bits;
    memcpy(&bits, &slot, sizeof bits);
    __stwb(reinterpret_cast<uint4*>(to), bits);  // a plain one may be split into the stores of a ragged edge
  }
}

// run(type_tag) with the call's storage.
template <class Run>
pc_status with_storage(pc_dtype dtype, Run run) {
  switch (dtype) {
    case PC_F16:
      return run(type_tag<__half>{});
    case PC_BF16:
      return run(type_tag<__nv_bfloat16>{});
    default:
      return run(type_tag<float>{});
  }
}

// run(order_tag, type_tag of the storage) for the call's.
template <class Call, class Run>
pc_status with_order_and_storage(const Call& call, Run run) {
  return with_order(call.order, [&](auto order) {
    return with_storage(call.dtype, [&](auto storage) { return run(order, storage); });
  });
}

// The slot whose first element is the row's element `at`, which may lie before the row's start. Elements
// outside the row read as 0.
template <int E, class T, class Index>
__device__ __forceinline__ packed<T, E> load_slot(const T* row, Index at, Index cols) {
  if (at >= 0 && at + E <= cols) return load_whole(reinterpret_cast<const packed<T, E>*>(row + at));
  T elements[E];
#pragma unroll
  for (int i = 0; i < E; ++i) elements[i] = at + i >= 0 && at + i < cols ? row[at + i] : T(0.0f);
  return pack(elements);
}

template <int E, class T, class Index>
__device__ __forceinline__ void store_slot(T* row, Index at, Index cols, const packed<T, E>& slot) {
  if (at >= 0 && at + E <= cols) return store_whole(reinterpret_cast<packed<T, E>*>(row + at), slot);
  T elements[E];
  unpack(slot, elements);
#pragma unroll
  for (int i = 0; i < E; ++i) {
    if (at + i >= 0 && at + i < cols) row[at + i] = elements[i];
  }
}

// The same for rows of whole slots: `at` is a slot's first element, `cols` divides into slots.
template <int E, class T>
__device__ __forceinline__ packed<T, E> load_even(const T* row, int at, int cols) {
  if (at < cols) return load_whole(reinterpret_cast<const packed<T, E>*>(row + at));
  packed<T, E> nothing;
  memset(&nothing, 0, sizeof nothing);
  return nothing;
}

template <int E, class T>
__device__ __forceinline__ void store_even(T* row, int at, int cols, const packed<T, E>& slot) {
  if (at < cols) store_whole(reinterpret_cast<packed<T, E>*>(row + at), slot);
}

// Hides from the compiler how a value came about: it would work it out anew at each use.
__device__ __forceinline__ void settle([[maybe_unused]] float& value) {
#if defined(__CUDA_ARCH__)
  asm("" : "+f"(value));
#endif
}
__device__ __forceinline__ void settle([[maybe_unused]] double& value) {
#if defined(__CUDA_ARCH__)
  asm("" : "+d"(value));
#endif
}
__device__ __forceinline__ void settle([[maybe_unused]] int64_t& value) {
#if defined(__CUDA_ARCH__)
  asm("" : "+l"(value));
#endif
}

// Makes the compiler convert packed elements anew: it would keep the floats from before a reduction, twice
// the registers, and spill them. An order is below 256, which the compiler does not know.
template <class T, int E, int Slots, class Call>
__device__ __forceinline__ void forget_conversions(packed<T, E> (&slots)[Slots], const Call& call) {
  if constexpr (sizeof(T) < sizeof(float)) {
    const unsigned zero = unsigned(call.order) >> 8;
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      uint4 bits;
      memcpy(&bits, &slots[s], sizeof bits);
      bits = {bits.x ^ zero, bits.y ^ zero, bits.z ^ zero, bits.w ^ zero};
      memcpy(&slots[s], &bits, sizeof bits);
    }
  }
}

// How many elements of a row's first slot lie before the row.
template <class T, int E>
__device__ __forceinline__ int ragged_start(const T* row) {
  return E == 1 ? 0 : int(uintptr_t(row) % slot_bytes / sizeof(T));
}

// How a call's rows are cut into slots, the same for each of its tensors.
struct slot_layout {
  bool whole;         // slots of 16 bytes; else of one element
  bool even;          // whole, and every row begins and ends with a whole one
  int64_t row_slots;  // slots that the row with the most has
};

inline slot_layout lay_out(const activation_call& call) {
  const int64_t item = call.dtype == PC_F32 ? 4 : 2;
  // Every row of every matrix must lie at the same place within 16 bytes.
  for (const matrix* m : {&call.up, &call.dy, &call.out, &call.dup}) {
    if (m->data == nullptr) continue;
    const bool alike = uintptr_t(m->data) % slot_bytes == uintptr_t(call.x.data) % slot_bytes &&
                       (call.rows <= 1 || (m->stride - call.x.stride) * item % slot_bytes == 0);
    if (!alike) return {false, false, call.cols};
  }
  const int64_t elements = slot_bytes / item;
  const bool ragged =
      uintptr_t(call.x.data) % slot_bytes != 0 || (call.rows > 1 && call.x.stride * item % slot_bytes != 0);
  return {true, !ragged && call.cols % elements == 0,
          (call.cols + (ragged ? elements - 1 : 0) + elements - 1) / elements};
}

}  // namespace cuda
}  // namespace polycom
