// Memory of exactly the bytes that a tensor has, so that a sanitizer sees any access outside, and what is
// stored in it.
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <vector>

#include "polycom.h"
#include "random.h"

namespace fuzz {

inline int64_t item_size(pc_dtype dtype) { return dtype == PC_F32 ? 4 : 2; }

// An allocation, filled with what is NaN in every dtype. Its end is the end of what it holds.
class allocation {
 public:
  explicit allocation(int64_t bytes) : bytes_(bytes), data_(static_cast<char*>(malloc(size_t(bytes)))) {
    refill();
  }
  ~allocation() { free(data_); }
  allocation(const allocation&) = delete;
  allocation& operator=(const allocation&) = delete;

  char* data() const { return data_; }
  int64_t size() const { return bytes_; }
  void refill() { memset(data_, 0xff, size_t(bytes_)); }

 private:
  int64_t bytes_;
  char* data_;
};

// Rows of a dtype in an allocation.
struct view {
  std::shared_ptr<allocation> memory;
  pc_dtype dtype = PC_F32;
  int64_t offset = 0;  // in bytes
  int64_t rows = 0, cols = 0, stride = 0;

  char* data() const { return memory->data() + offset; }
  char* at(int64_t row, int64_t col) const { return data() + (row * stride + col) * item_size(dtype); }
};

// A view in an allocation of its own that ends with the view's last element.
inline view place(pc_dtype dtype, int64_t rows, int64_t cols, int64_t stride, int64_t offset) {
  const int64_t span = rows == 0 || cols == 0 ? 0 : (rows - 1) * stride + cols;
  return {std::make_shared<allocation>(offset + span * item_size(dtype)), dtype, offset, rows, cols, stride};
}

inline double half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  const double magnitude = exponent == 0    ? ldexp(fraction, -24)
                           : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                            : ldexp(fraction + 1024, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

inline double read(const view& v, int64_t row, int64_t col) {
  uint32_t word = 0;
  memcpy(&word, v.at(row, col), size_t(item_size(v.dtype)));
  if (v.dtype == PC_F16) return half_value(uint16_t(word));
  if (v.dtype == PC_BF16) word <<= 16;
  float value;
  memcpy(&value, &word, sizeof value);
  return double(value);
}

// Stores a value of [2^-14, 65504] in magnitude, rounded towards 0.
inline void write(const view& v, int64_t row, int64_t col, double wanted) {
  const float value = float(wanted);
  uint32_t word;
  memcpy(&word, &value, sizeof word);
  if (v.dtype == PC_F16) word = (word >> 16 & 0x8000) | (((word & 0x7fffffff) - (112u << 23)) >> 13);
  if (v.dtype == PC_BF16) word >>= 16;
  memcpy(v.at(row, col), &word, size_t(item_size(v.dtype)));
}

inline std::vector<double> values(const view& v) {
  std::vector<double> all;
  all.reserve(size_t(v.rows * v.cols));
  for (int64_t r = 0; r < v.rows; ++r) {
    for (int64_t c = 0; c < v.cols; ++c) all.push_back(read(v, r, c));
  }
  return all;
}

}  // namespace fuzz
