// The CPU kernels' vectors, as wide as the instruction set's registers.
#pragma once
#include <stdint.h>

#define PC_INLINE inline __attribute__((always_inline))

namespace polycom {
namespace cpu {
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;  // SSE2, NEON
#endif

typedef float vec __attribute__((vector_size(lanes * 4)));
typedef uint32_t word_vec __attribute__((vector_size(lanes * 4)));
typedef uint16_t short_vec __attribute__((vector_size(lanes * 2)));
// Doubles, where float would lose digits: the lower lanes and the upper, a register each.
typedef double double_vec __attribute__((vector_size(lanes * 4)));
struct wide_vec {
  double_vec low, high;

  PC_INLINE void operator+=(wide_vec b) { *this = {low + b.low, high + b.high}; }
};
PC_INLINE wide_vec operator+(wide_vec a, wide_vec b) { return {a.low + b.low, a.high + b.high}; }
PC_INLINE wide_vec operator-(wide_vec a, wide_vec b) { return {a.low - b.low, a.high - b.high}; }
PC_INLINE wide_vec operator*(wide_vec a, wide_vec b) { return {a.low * b.low, a.high * b.high}; }
PC_INLINE wide_vec operator*(wide_vec a, double b) { return {a.low * b, a.high * b}; }

}  // namespace
}  // namespace cpu
}  // namespace polycom
