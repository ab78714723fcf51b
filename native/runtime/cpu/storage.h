// The storage of a call as a type.
#pragma once
#include "runtime/tags.h"
#include "simd.h"

namespace polycom {
namespace cpu {
namespace {

// What is read back once it has been stored.
template <class T>
PC_INLINE vec as_stored(vec v) {
  return storage<T>::widen(storage<T>::narrow(v));
}

// run(type_tag) with the call's storage.
template <class Run>
PC_INLINE pc_status with_storage(pc_dtype dtype, Run run) {
  switch (dtype) {
    case PC_F16:
      return run(type_tag<half>{});
    case PC_BF16:
      return run(type_tag<bfloat>{});
    default:
      return run(type_tag<float>{});
  }
}

}  // namespace
}  // namespace cpu
}  // namespace polycom
