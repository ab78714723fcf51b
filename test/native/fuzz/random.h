// A seeded source of choices: the same seed makes the same calls on every machine.
#pragma once
#include <math.h>
#include <stdint.h>

#include <initializer_list>

namespace fuzz {

class random_source {
 public:
  explicit random_source(uint64_t seed) : state_(seed) {}

  // SplitMix64.
  uint64_t bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // Of [from, to], both included.
  int64_t between(int64_t from, int64_t to) { return from + int64_t(bits() % uint64_t(to - from + 1)); }
  bool chance(int percent) { return between(0, 99) < percent; }
  double uniform(double from, double to) { return from + (to - from) * double(bits() >> 11) * 0x1p-53; }
  // Of [0.25, 2] or its negative: where no formula is steep, and none has its kink.
  double tame() { return (chance(50) ? 1 : -1) * uniform(0.25, 2); }

  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[between(0, int64_t(choices.size()) - 1)];
  }

 private:
  uint64_t state_;
};

}  // namespace fuzz
