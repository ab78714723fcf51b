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

PC_MATH float square_root(float x) { return sqrtf(x); }
#if !defined(__CUDACC__)
template <class V>
PC_MATH V square_root(V x) {
  for (int lane = 0; lane < int(sizeof(V) / sizeof(x[0])); ++lane) x[lane] = sqrtf(x[lane]);
  return x;
}
#endif

// 1 / x, on CUDA likewise: within an ulp for every float, and subnormal where x is beyond 2^126 (__fdividef gives 0).
template <class V>
PC_MATH V reciprocal(V x) {
#if defined(__CUDA_ARCH__)
  float inverse;
  asm("rcp.approx.f32 %0, %1;" : "=f"(inverse) : "f"(x));
  return inverse;
#else
  return 1.0f / x;
#endif
}

// The same, but 0 where that would be subnormal: one instruction.
template <class V>
PC_MATH V normal_reciprocal(V x) {
#if defined(__CUDA_ARCH__)
  float inverse;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(x));
  return inverse;
#else
  return 1.0f / x;
#endif
}

}  // namespace polycom
