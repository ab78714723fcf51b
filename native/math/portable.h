// What lets one formula compile for the CPU's SIMD vectors, for plain scalars and for CUDA threads.
//
// Every function here and in the formula files is static and forced inline: the CPU kernels are compiled
// once per instruction set, and a shared inline function would be merged by the linker into whichever copy it
// saw first, AVX-512 on a machine without it.
#pragma once

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

}  // namespace polycom
