// PolyNorm's forward pass, order 3, stored in bf16, in five steps from the naive kernel to nearly the one that ships.
// docs/kernels.md walks through them; test/docs/kernels.test.ts runs each.
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdint.h>
#include <string.h>

namespace {

using bf16 = __nv_bfloat16;

// y = bias + a_1 n_1 + a_2 n_2 + a_3 n_3 for each row, n_p = x^p / sqrt(mean(x^2p) + epsilon). From step 3 on, rows
// are of whole slots of 16 bytes; from step 4 on, a row is of as many slots as the threads hold.
struct problem {
  const bf16* x;
  bf16* y;
  int64_t rows;
  int cols;
  float a1, a2, a3, bias, epsilon;
};

// --- step 1: a thread a row ---

__global__ void naive(problem p) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= p.rows) return;
  const bf16* x = p.x + row * p.cols;
  bf16* y = p.y + row * p.cols;
  float m1 = 0, m2 = 0, m3 = 0;
  for (int i = 0; i < p.cols; ++i) {
    const float v = float(x[i]);
    m1 += v * v;
    m2 += (v * v) * (v * v);
    m3 += (v * v * v) * (v * v * v);
  }
  for (int i = 0; i < p.cols; ++i) {
    const float v = float(x[i]);
    const float n1 = v / sqrtf(m1 / p.cols + p.epsilon);
    const float n2 = v * v / sqrtf(m2 / p.cols + p.epsilon);
    const float n3 = v * v * v / sqrtf(m3 / p.cols + p.epsilon);
    y[i] = bf16(p.bias + p.a1 * n1 + p.a2 * n2 + p.a3 * n3);
  }
}

// --- step 2: a block a row ---

constexpr int threads = 256;

// The sum of every thread's value, for all of them.
__device__ float block_sum(float value, float* room) {
  room[threadIdx.x] = value;
  __syncthreads();
  for (int half = threads / 2; half > 0; half /= 2) {
    if (int(threadIdx.x) < half) room[threadIdx.x] += room[threadIdx.x + half];
    __syncthreads();
  }
  const float sum = room[0];
  __syncthreads();
  return sum;
}

// 1 / sqrt(mean(x^2p) + epsilon)
__device__ float inverse_norm(float sum, const problem& p) { return 1 / sqrtf(sum / p.cols + p.epsilon); }

__global__ void block_a_row(problem p) {
  __shared__ float room[threads];
  const bf16* x = p.x + blockIdx.x * int64_t(p.cols);
  bf16* y = p.y + blockIdx.x * int64_t(p.cols);
  float m1 = 0, m2 = 0, m3 = 0;
  for (int i = threadIdx.x; i < p.cols; i += threads) {
    const float v = float(x[i]);
    m1 += v * v;
    m2 += (v * v) * (v * v);
    m3 += (v * v * v) * (v * v * v);
  }
  const float r1 = inverse_norm(block_sum(m1, room), p);
  const float r2 = inverse_norm(block_sum(m2, room), p);
  const float r3 = inverse_norm(block_sum(m3, room), p);
  for (int i = threadIdx.x; i < p.cols; i += threads) {
    const float v = float(x[i]);
    y[i] = bf16(p.bias + p.a1 * (v * r1) + p.a2 * (v * v * r2) + p.a3 * (v * v * v * r3));
  }
}

// --- step 3: slots of 16 bytes ---

constexpr int E = 8;  // elements of a slot

struct alignas(16) slot {
  bf16 elements[E];
};

__device__ slot load(const bf16* from) {
  const uint4 bits = *reinterpret_cast<const uint4*>(from);
  slot s;
  memcpy(&s, &bits, sizeof s);
  return s;
}

__device__ void store(bf16* to, const slot& s) {
  uint4 bits;
  memcpy(&bits, &s, sizeof bits);
  *reinterpret_cast<uint4*>(to) = bits;
}

// Within a warp by shuffles, then over the warps by way of shared memory.
__device__ float warps_sum(float value, float* room) {
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = value;
  __syncthreads();
  value = room[threadIdx.x % (threads / 32)];
  for (int distance = threads / 64; distance > 0; distance /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  __syncthreads();
  return value;
}

__global__ void in_slots(problem p) {
  __shared__ float room[threads / 32];
  const bf16* x = p.x + blockIdx.x * int64_t(p.cols);
  bf16* y = p.y + blockIdx.x * int64_t(p.cols);
  float m1 = 0, m2 = 0, m3 = 0;
  for (int at = threadIdx.x * E; at < p.cols; at += threads * E) {
    const slot s = load(x + at);
    for (int i = 0; i < E; ++i) {
      const float v = float(s.elements[i]);
      m1 += v * v;
      m2 += (v * v) * (v * v);
      m3 += (v * v * v) * (v * v * v);
    }
  }
  const float r1 = inverse_norm(warps_sum(m1, room), p);
  const float r2 = inverse_norm(warps_sum(m2, room), p);
  const float r3 = inverse_norm(warps_sum(m3, room), p);
  for (int at = threadIdx.x * E; at < p.cols; at += threads * E) {
    slot s = load(x + at);
    for (int i = 0; i < E; ++i) {
      const float v = float(s.elements[i]);
      s.elements[i] = bf16(p.bias + p.a1 * (v * r1) + p.a2 * (v * v * r2) + p.a3 * (v * v * v * r3));
    }
    store(y + at, s);
  }
}

// --- step 4: the row waits in registers ---

constexpr int slots = 2;  // of each thread: rows of up to 4,096 elements

__global__ void in_registers(problem p) {
  __shared__ float room[threads / 32];
  const bf16* x = p.x + blockIdx.x * int64_t(p.cols);
  bf16* y = p.y + blockIdx.x * int64_t(p.cols);
  slot held[slots];
  float m1 = 0, m2 = 0, m3 = 0;
#pragma unroll
  for (int k = 0; k < slots; ++k) {
    const int at = (k * threads + int(threadIdx.x)) * E;
    if (at < p.cols) held[k] = load(x + at);
  }
#pragma unroll
  for (int k = 0; k < slots; ++k) {
    if ((k * threads + int(threadIdx.x)) * E >= p.cols) continue;
    for (int i = 0; i < E; ++i) {
      const float v = float(held[k].elements[i]);
      m1 += v * v;
      m2 += (v * v) * (v * v);
      m3 += (v * v * v) * (v * v * v);
    }
  }
  const float r1 = inverse_norm(warps_sum(m1, room), p);
  const float r2 = inverse_norm(warps_sum(m2, room), p);
  const float r3 = inverse_norm(warps_sum(m3, room), p);
#pragma unroll
  for (int k = 0; k < slots; ++k) {
    const int at = (k * threads + int(threadIdx.x)) * E;
    if (at >= p.cols) continue;
    for (int i = 0; i < E; ++i) {
      const float v = float(held[k].elements[i]);
      held[k].elements[i] = bf16(p.bias + p.a1 * (v * r1) + p.a2 * (v * v * r2) + p.a3 * (v * v * v * r3));
    }
    store(y + at, held[k]);
  }
}

// --- step 5: less work for each element ---

// Three sums at once. Lanes that are 16 apart give each other half of what they hold, then lanes that are 8 apart; after
// that each lane has one sum of the four, the last of them nothing, and three shuffles finish it.
__device__ float spread_sum(float a, float b, float c) {
  const bool upper = threadIdx.x & 16, odd = threadIdx.x & 8;
  const float first = (upper ? c : a) + __shfl_xor_sync(0xffffffffu, upper ? a : c, 16);
  const float second = (upper ? 0.0f : b) + __shfl_xor_sync(0xffffffffu, upper ? b : 0.0f, 16);
  float mine = (odd ? second : first) + __shfl_xor_sync(0xffffffffu, odd ? first : second, 8);
  for (int distance = 4; distance > 0; distance /= 2)
    mine += __shfl_xor_sync(0xffffffffu, mine, distance);
  return mine;  // a in lanes 0 to 7, b in 8 to 15, c in 16 to 23
}

// Two elements of a slot in one word: to floats, and back by one instruction for both.
__device__ float low(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ float high(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }
__device__ unsigned pack(float first, float second) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(first, second);
  unsigned pair;
  memcpy(&pair, &both, sizeof pair);
  return pair;
}

struct words {
  unsigned pairs[E / 2];
};

__global__ void folded(problem p) {
  __shared__ float room[3][threads / 32];
  const bf16* x = p.x + blockIdx.x * int64_t(p.cols);
  bf16* y = p.y + blockIdx.x * int64_t(p.cols);
  uint4 held[slots] = {};
  float m1 = 0, m2 = 0, m3 = 0;
#pragma unroll
  for (int k = 0; k < slots; ++k) {
    const int at = (k * threads + int(threadIdx.x)) * E;
    if (at < p.cols) held[k] = *reinterpret_cast<const uint4*>(x + at);
  }
  const auto add = [&](float v) {
    const float square = v * v, cube = square * v;
    m1 += square;
    m2 += square * square;
    m3 += cube * cube;
  };
#pragma unroll
  for (int k = 0; k < slots; ++k) {
    words w;
    memcpy(&w, &held[k], sizeof w);
    for (unsigned pair : w.pairs) {
      add(low(pair));
      add(high(pair));
    }
  }
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const float of_warp = spread_sum(m1, m2, m3);
  if (lane % 8 == 0 && lane < 24) room[lane / 8][warp] = of_warp;
  __syncthreads();
  // Lanes 0 to 7 add up the warps' first sums, and so on: eight warps, eight lanes.
  float sum = lane < 24 ? room[lane / 8][lane % 8] : 0.0f;
  for (int distance = 4; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  const float r = inverse_norm(sum, p);
  const float c1 = p.a1 * __shfl_sync(0xffffffffu, r, 0);
  const float c2 = p.a2 * __shfl_sync(0xffffffffu, r, 8);
  const float c3 = p.a3 * __shfl_sync(0xffffffffu, r, 16);
  const auto value = [&](float v) { return ((c3 * v + c2) * v + c1) * v + p.bias; };
#pragma unroll
  for (int k = 0; k < slots; ++k) {
    const int at = (k * threads + int(threadIdx.x)) * E;
    if (at >= p.cols) continue;
    words w;
    memcpy(&w, &held[k], sizeof w);
    for (unsigned& pair : w.pairs) pair = pack(value(low(pair)), value(high(pair)));
    memcpy(&held[k], &w, sizeof w);
    *reinterpret_cast<uint4*>(y + at) = held[k];
  }
}

}  // namespace

// Runs a step, 1 to 5, of memory on the device; gives CUDA's error, or 0. `a`: a_1, a_2, a_3.
extern "C" int polynorm_step(int step, const void* x, void* y, int64_t rows, int32_t cols, const float* a,
                             float bias, float epsilon) {
  void (*const kernels[])(problem) = {naive, block_a_row, in_slots, in_registers, folded};
  const problem p{static_cast<const bf16*>(x), static_cast<bf16*>(y), rows, cols, a[0], a[1], a[2], bias, epsilon};
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(unsigned(step == 1 ? (rows + threads - 1) / threads : rows));
  config.blockDim = dim3(threads);
  const cudaError_t error = cudaLaunchKernelEx(&config, kernels[step - 1], p);
  return int(error != cudaSuccess ? error : cudaDeviceSynchronize());
}
