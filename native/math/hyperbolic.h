// tanh for the formulas, with its derivative: both to their last digits, in the tails too.
#pragma once
#include "exponential.h"

namespace polycom {

// What a scaled tanh takes from its scale, c: tanh(x / c). Made in double, on the host.
struct tanh_scale {
  float twice, twice_rest;  // 2 / c, as a float and what that leaves
  float reach;              // from this |x| on, the tanh is 1 in float, and its derivative below floats

  PC_MATH tanh_scale of(double c) {
    const double scale = c > 1e-37 ? c : 1e-37, twice = 2.0 / scale;
    return {float(twice), float(twice - double(float(twice))), float(60.0 * scale)};
  }
};

// t = tanh(x / c), and 1 - t^2.
template <class V>
struct tangent {
  V value, slope;
};

// With e = exp(-2|x| / c): |t| = (1 - e) / (1 + e), 1 - t^2 = 4 e / (1 + e)^2. Of a large argument, the
// rounding is put back, for it is the relative error of e.
template <class V>
PC_MATH tangent<V> scaled_tanh(V x, const tanh_scale& scale) {
  const V zero = zero_like(x);
  V size = x < 0 ? -x : x;
  size = size > zero + scale.reach ? zero + scale.reach : size;
  const V twice = size * scale.twice;
  const V rest = product_error(size, zero + scale.twice, twice) + size * scale.twice_rest;
  const exponential_pair<V> e = exponentials(-twice, -rest);
  const V share = reciprocal(2.0f + e.less_one);
  const V value = e.less_one * share;
  return {x < 0 ? value : -value, (4.0f * e.power) * (share * share)};
}

}  // namespace polycom
