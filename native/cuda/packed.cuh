// Rows in slots of 16 bytes. A slot is read and written whole, by one 128-bit access, wherever it lies inside
// its row; the one or two at the edges, which alignment or an odd width leaves ragged, element by element.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "core/activation.h"
#include "core/tags.h"

namespace polycom {
namespace cuda {

constexpr int slot_bytes = 16;

// Elements that a slot holds. `Whole` false: the call's tensors are aligned differently from each other, and
// every slot is one element.
template <class T, bool Whole>
constexpr int slot_elements = Whole ? slot_bytes / int(sizeof(T)) : 1;

// E elements as they are stored: a row waits on chip packed, and is converted each time it is read.
template <class T, int E>
struct alignas(sizeof(T) * E) packed {
  T element[E];
  __device__ __forceinline__ float operator[](int i) const { return float(element[i]); }
  __device__ __forceinline__ void set(int i, float value) { element[i] = T(value); }
};

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
  packed<T, E> slot;
  if (at >= 0 && at + E <= cols) {
    if constexpr (sizeof(slot) == slot_bytes) {
      const uint4 bits = *reinterpret_cast<const uint4*>(row + at);
      memcpy(&slot, &bits, sizeof slot);
    } else {
      slot.element[0] = row[at];
    }
    return slot;
  }
#pragma unroll
  for (int i = 0; i < E; ++i) {
    slot.element[i] = at + i >= 0 && at + i < cols ? row[at + i] : T(0.0f);
  }
  return slot;
}

template <int E, class T, class Index>
__device__ __forceinline__ void store_slot(T* row, Index at, Index cols, const packed<T, E>& slot) {
  if (at >= 0 && at + E <= cols) {
    if constexpr (sizeof(slot) == slot_bytes) {
      uint4 bits;
      memcpy(&bits, &slot, sizeof bits);
      __stwb(reinterpret_cast<uint4*>(row + at), bits);  // a plain one may be split into the edges' stores
    } else {
      row[at] = slot.element[0];
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < E; ++i) {
    if (at + i >= 0 && at + i < cols) row[at + i] = slot.element[i];
  }
}

// Makes the compiler convert packed elements anew: it would keep the floats from before a reduction, twice
// the registers, and spill them. An order is below 256, which the compiler does not know.
template <class T, int E, int Slots>
__device__ __forceinline__ void forget_conversions(packed<T, E> (&slots)[Slots],
                                                   const activation_call& call) {
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
  int64_t row_slots;  // slots that the row with the most has
};

inline slot_layout lay_out(const activation_call& call) {
  const int64_t item = call.dtype == PC_F32 ? 4 : 2;
  // Every row of every matrix must lie at the same place within 16 bytes.
  for (const matrix* m : {&call.up, &call.dy, &call.out, &call.dup}) {
    if (m->data == nullptr) continue;
    const bool alike = uintptr_t(m->data) % slot_bytes == uintptr_t(call.x.data) % slot_bytes &&
                       (call.rows <= 1 || (m->stride - call.x.stride) * item % slot_bytes == 0);
    if (!alike) return {false, call.cols};
  }
  const int64_t elements = slot_bytes / item;
  const bool ragged =
      uintptr_t(call.x.data) % slot_bytes != 0 || (call.rows > 1 && call.x.stride * item % slot_bytes != 0);
  return {true, (call.cols + (ragged ? elements - 1 : 0) + elements - 1) / elements};
}

}  // namespace cuda
}  // namespace polycom
