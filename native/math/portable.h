// What lets one formula compile for the CPU's SIMD vectors, for plain scalars and for CUDA threads.
//
// Every function here and in the formula files is static and forced inline: the CPU kernels are compiled
// once per instruction set, and a shared inline function would be merged by the linker into whichever copy it
// saw first, AVX-512 on a machine without it.
#pragma once
#include <math.h>

#if defined(__CUDACC__)
#define PC_PORTABLE __host__ __device__ __forceinline__
#else
#define PC_PORTABLE inline __attribute__((always_inline))
#endif
#define PC_MATH static PC_PORTABLE

namespace polycom {

// V is float, double, or a SIMD vector of floats; a comparison of vectors selects lane by lane.
template <class V>
PC_MATH V zero_like(V) {
  return V{};
}

// max(x, 0), but a NaN stays one.
template <class V>
PC_MATH V positive_part(V x) {
  return x < 0 ? zero_like(x) : x;
}

// 1 / sqrt(x). CUDA's own is within an ulp or two, and has no slow path that calls and spills.
PC_MATH float reciprocal_square_root(float x) {
#if defined(__CUDA_ARCH__)
  return rsqrtf(x);
#else
  return 1.0f / sqrtf(x);
#endif
}
PC_MATH double reciprocal_square_root(double x) {
#if defined(__CUDA_ARCH__)
  return rsqrt(x);
#else
  return 1.0 / sqrt(x);
#endif
}

// 1 / x, on CUDA likewise.
template <class V>
PC_MATH V reciprocal(V x) {
#if defined(__CUDA_ARCH__)
  return __fdividef(1.0f, x);
#else
  return 1.0f / x;
#endif
}

// What an element-wise formula without coefficients gives the kernels that it shares with those that have
// some.
struct without_coefficients {
  static constexpr int coefficient_sums = 0;

  struct coefficients {};

  template <class T>
  PC_MATH coefficients fold(const float*, float) {
    return {};
  }

  template <class V>
  PC_MATH void add_coefficient_sums(V, V, V*) {}
};

}  // namespace polycom
