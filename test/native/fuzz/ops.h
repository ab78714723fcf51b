// Every op of polycom.h, from its own lists.
#pragma once
#include <vector>

#include "polycom.h"

namespace fuzz {

enum class role { matrix, weight, bias };

struct op {
  const char* name;
  int traits;
  bool backward;
  pc_status (*run)(pc_queue*, const pc_args*);
  pc_status (*plan)(const pc_queue*, pc_args*);
  bool copies = false;

  bool gated() const { return traits & PC_GATED; }
  bool coefficients() const { return traits & PC_COEFFICIENTS; }
  bool rowwise() const { return traits & PC_ROWWISE; }
  int scalars() const { return copies ? 1 : rowwise() ? 2 : traits & PC_APPROXIMATE ? 1 : 0; }

  std::vector<role> inputs() const {
    std::vector<role> roles = differentiable();
    if (backward) roles.push_back(role::matrix);
    return roles;
  }
  std::vector<role> outputs() const { return backward ? differentiable() : std::vector<role>{role::matrix}; }

 private:
  std::vector<role> differentiable() const {
    std::vector<role> roles(gated() ? 2 : 1, role::matrix);
    if (coefficients()) roles.insert(roles.end(), {role::weight, role::bias});
    return roles;
  }
};

inline const std::vector<op>& ops() {
#define PC_LIST(name, traits)                                                       \
  {#name "_forward", traits, false, pc_##name##_forward, pc_##name##_forward_plan}, \
      {#name "_backward", traits, true, pc_##name##_backward, pc_##name##_backward_plan},
  static const std::vector<op> all = {PC_ACTIVATIONS(PC_LIST){"copy", 0, false, pc_copy, pc_copy_plan, true}};
#undef PC_LIST
  return all;
}

}  // namespace fuzz
