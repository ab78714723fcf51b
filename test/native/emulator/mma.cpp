// Tensor cores of the emulated CUDA: products of small matrices, and loads of them, by the lanes of a warp together. Sums
// are as coarse as those of an A100 (Fasi et al. 2021, doi 10.7717/peerj-cs.330): products are exact, 16 bytes of a row
// are taken at a time, and what is added is cut off below 2 bits beyond a float's of the largest, as is the sum.
#include <math.h>
#include <stdio.h>

#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "cuda_runtime.h"

namespace {

// What every lane of the warp gives, until end() is called; those of others are read by `of`.
template <class V>
class given {
 public:
  explicit given(const V& mine) {
    emulated_exchange(threadIdx.x % warpSize) = reinterpret_cast<uintptr_t>(&mine);
    emulated_warp_barrier();
  }
  const V& of(unsigned lane) const { return *reinterpret_cast<const V*>(emulated_exchange(lane)); }
  void end() const { emulated_warp_barrier(); }
};

float as_float(unsigned word) {
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

float first_half(unsigned word, bool is_bf16) {
  const uint16_t bits = uint16_t(word);
  if (is_bf16) return as_float(unsigned(bits) << 16);
  __half half;
  half.bits = bits;
  return half;
}

// Towards 0, to a multiple of the unit, a power of two.
double cut(double value, double unit) { return trunc(value * (1 / unit)) * unit; }

// c + the products, each of them and the sum cut off.
float cut_sum(float c, const double* products, int count) {
  double largest = fabs(double(c)), plain = c;
  for (int i = 0; i < count; ++i) {
    largest = fmax(largest, fabs(products[i]));
    plain += products[i];
  }
  if (!isfinite(plain) || largest == 0) return float(plain);
  const double lowest = ldexp(1, ilogb(largest) - 25);
  double sum = cut(c, lowest);
  for (int i = 0; i < count; ++i) sum += cut(products[i], lowest);
  if (sum == 0) return 0;
  const int last = ilogb(sum) - 23;
  return float(cut(sum, ldexp(1, last < -149 ? -149 : last)));
}

}  // namespace

void emulated_mma(const char* shape_and_types, float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  struct fragments {
    unsigned a[4], b[2];
  } mine;
  memcpy(mine.a, a, sizeof mine.a);
  memcpy(mine.b, b, sizeof mine.b);
  const bool is_tf32 = strstr(shape_and_types, "tf32") != nullptr, is_bf16 = strstr(shape_and_types, "bf16") != nullptr;
  const given<fragments> all(mine);
  const unsigned lane = threadIdx.x % warpSize;
  const auto elements = [&](unsigned cell, double* to) {
    if (is_tf32) return to[0] = as_float(cell & 0xffffe000u), 1;
    to[0] = first_half(cell, is_bf16);
    to[1] = first_half(cell >> 16, is_bf16);
    return 2;
  };
  float sums[4];
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4, column = lane % 4 * 2 + i % 2;
    sums[i] = d[i];
    for (unsigned half = 0; half < 2; ++half) {
      double products[8];
      int count = 0;
      for (unsigned tig = 0; tig < 4; ++tig) {
        double left[2], right[2];
        const int n = elements(all.of(row * 4 + tig).a[half * 2 + i / 2], left);
        elements(all.of(column * 4 + tig).b[half], right);
        for (int e = 0; e < n; ++e) products[count++] = left[e] * right[e];
      }
      sums[i] = cut_sum(sums[i], products, count);
    }
  }
  all.end();
  memcpy(d, sums, sizeof sums);
}

void emulated_load_matrices(const char* form, unsigned (&out)[4], const void* row) {
  if (uintptr_t(row) % 16 != 0) {
    fprintf(stderr, "emulated CUDA: a row of a matrix is not aligned to 16 bytes\n");
    abort();
  }
  const given<const void*> rows(row);
  const unsigned lane = threadIdx.x % warpSize, gid = lane / 4, tig = lane % 4;
  unsigned words[4];
  for (unsigned m = 0; m < 4; ++m) {
    if (*form == 0) {
      memcpy(&words[m], static_cast<const char*>(rows.of(m * 8 + gid)) + 4 * tig, 4);
      continue;
    }
    uint16_t pair[2];
    for (unsigned i = 0; i < 2; ++i)
      memcpy(&pair[i], static_cast<const char*>(rows.of(m * 8 + 2 * tig + i)) + 2 * gid, 2);
    memcpy(&words[m], pair, 4);
  }
  rows.end();
  memcpy(out, words, sizeof words);
}
