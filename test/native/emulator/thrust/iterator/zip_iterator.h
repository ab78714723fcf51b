// Thrust's iterator over several sequences at once, for the emulated CUDA: what a transform writes to.
#pragma once
#include <stdint.h>
#include <thrust/tuple.h>

namespace thrust {

template <class... Elements>
class zip_iterator {
 public:
  explicit zip_iterator(std::tuple<Elements*...> sequences) : sequences_(sequences) {}

  std::tuple<Elements&...> operator[](int64_t i) const {
    return std::apply([i](auto*... sequence) { return std::tuple<Elements&...>(sequence[i]...); },
                      sequences_);
  }

 private:
  std::tuple<Elements*...> sequences_;
};

template <class... Elements>
zip_iterator<Elements...> make_zip_iterator(std::tuple<Elements*...> sequences) {
  return zip_iterator<Elements...>(sequences);
}

}  // namespace thrust
