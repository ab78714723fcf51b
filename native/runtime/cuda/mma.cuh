// Products of small matrices by a warp's tensor cores (sm_80 and newer), an instruction a function. Each lane of the warp
// holds a part of every matrix, its fragment: who has what is in the PTX manual, under "Matrix fragments" of mma and
// ldmatrix. With gid = lane / 4 and tig = lane % 4, of matrices cut into cells of 4 bytes (a float, or two of 16 bits):
//
//   a [16 rows, 8 cells]: (gid, tig), (gid + 8, tig), (gid, tig + 4), (gid + 8, tig + 4)
//   b [8 columns, 8 cells]: (gid, tig), (gid, tig + 4)
//   d [16 rows, 8 columns] of floats: (gid, 2 tig), (gid, 2 tig + 1), (gid + 8, 2 tig), (gid + 8, 2 tig + 1)
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "runtime/tags.h"

namespace polycom {
namespace cuda {

// Whether what is being compiled may use these: code for older GPUs has none of them.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr bool has_mma = false;
#else
constexpr bool has_mma = true;
#endif

#if defined(__CUDACC__)
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define PC_MMA(shape_and_types, d, a, b)                         \
  asm volatile("mma.sync.aligned." shape_and_types               \
               " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, " \
               "{%0, %1, %2, %3};"                               \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])  \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#define PC_LOAD_MATRICES(form, out, row)                                                  \
  asm volatile("ldmatrix.sync.aligned.m8n8.x4" form ".shared.b16 {%0, %1, %2, %3}, [%4];" \
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])                   \
               : "r"(unsigned(__cvta_generic_to_shared(row))))
#else
#define PC_MMA(shape_and_types, d, a, b)
#define PC_LOAD_MATRICES(form, out, row)
#endif
#else
#define PC_MMA(shape_and_types, d, a, b) emulated_mma(shape_and_types, d, a, b)
#define PC_LOAD_MATRICES(form, out, row) emulated_load_matrices(form, out, row)
#endif

// d += a b, of floats of which the upper 19 bits count: TF32.
__device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                    type_tag<float>) {
  PC_MMA("m16n8k8.row.col.f32.tf32.tf32.f32", d, a, b);
}
__device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                    type_tag<__half>) {
  PC_MMA("m16n8k16.row.col.f32.f16.f16.f32", d, a, b);
}
__device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                    type_tag<__nv_bfloat16>) {
  PC_MMA("m16n8k16.row.col.f32.bf16.bf16.f32", d, a, b);
}

// Four matrices of 8 rows of 16 bytes in shared memory: lane i gives the address of row i % 8 of matrix i / 8, and gets
// cell (gid, tig) of each.
__device__ __forceinline__ void load_matrices(unsigned (&out)[4], const void* row) {
  PC_LOAD_MATRICES("", out, row);
}
// The same of elements of 16 bits, and gets (2 tig, gid) and (2 tig + 1, gid) of each: what is across becomes down.
__device__ __forceinline__ void load_matrices_transposed(unsigned (&out)[4], const void* row) {
  PC_LOAD_MATRICES(".trans", out, row);
}

#undef PC_MMA
#undef PC_LOAD_MATRICES

}  // namespace cuda
}  // namespace polycom
