// A storage that a kernel is compiled in, as a type.
#pragma once

namespace polycom {

template <class T>
struct type_tag {
  using type = T;
};

}  // namespace polycom
