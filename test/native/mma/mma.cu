// The functions of native/runtime/cuda/mma.cuh as a C function, for mma.test.ts: a warp multiplies matrices whose cells it
// takes from shared memory, by ldmatrix, as rows of a and as rows or columns of b.
#include "runtime/cuda/mma.cuh"

#include "runtime/cuda/async.cuh"

using namespace polycom;
using namespace polycom::cuda;

namespace {

struct matrices {
  const char *a, *b;  // 16 rows, and 8 or, where it lies across, 16 of 32 bytes each
  float* d;           // [16][8], added to
};

template <class T, bool Across>
__global__ void mma_kernel(const matrices m) {
  char* const rows = static_cast<char*>(dynamic_shared());
  const int lane = int(threadIdx.x);
  for (int i = lane; i < 1024; i += 32) rows[i] = i < 512 ? m.a[i] : m.b[i - 512];
  __syncthreads();
  unsigned a[4], cells[4];
  load_matrices(a, rows + lane % 16 * 32 + lane / 16 * 16);
  if (Across) {
    load_matrices_transposed(cells, rows + 512 + lane % 16 * 32);
  } else {
    load_matrices(cells, rows + 512 + lane % 8 * 32 + lane / 8 % 2 * 16);
  }
  const unsigned b[2] = {cells[0], cells[1]};
  float* const row = m.d + lane / 4 * 8 + lane % 4 * 2;
  float d[4] = {row[0], row[1], row[64], row[65]};
  mma(d, a, b, type_tag<T>{});
  row[0] = d[0];
  row[1] = d[1];
  row[64] = d[2];
  row[65] = d[3];
}

template <class T>
int run(const matrices& m, bool across) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(32);
  config.dynamicSmemBytes = 1024;
  return int(cudaLaunchKernelEx(&config, across ? mma_kernel<T, true> : mma_kernel<T, false>, m));
}

}  // namespace

// dtype: 0 (TF32), 1 (f16) or 2 (bf16). Returns a CUDA error.
extern "C" __attribute__((visibility("default"))) int mma_once(int dtype, int across, const void* a,
                                                                const void* b, float* d) {
  const matrices m{static_cast<const char*>(a), static_cast<const char*>(b), d};
  if (dtype == 1) return run<__half>(m, across != 0);
  if (dtype == 2) return run<__nv_bfloat16>(m, across != 0);
  return run<float>(m, across != 0);
}
