// Every op of polycom.h, from its own lists.
#pragma once
#include <vector>

#include "polycom.h"

namespace fuzz {

enum class role { matrix, weight, bias };

struct scalar_range {
  int range;  // PC_FINITE, PC_NOT_NEGATIVE or PC_POSITIVE
  int count;  // of choices; or 0
};

struct op {
  const char* name;
  int form;
  std::vector<role> parameters;
  std::vector<scalar_range> scalars;
  bool backward;
  pc_status (*run)(pc_queue*, const pc_args*);
  pc_status (*plan)(const pc_queue*, pc_args*);
  bool copies = false;

  bool gated() const { return form & PC_GATED; }
  bool coefficients() const { return !parameters.empty(); }
  bool rowwise() const { return form & PC_ROWWISE; }

  std::vector<role> inputs() const {
    std::vector<role> roles = differentiable();
    if (backward) roles.push_back(role::matrix);
    return roles;
  }
  std::vector<role> outputs() const { return backward ? differentiable() : std::vector<role>{role::matrix}; }

 private:
  std::vector<role> differentiable() const {
    std::vector<role> roles(gated() ? 2 : 1, role::matrix);
    roles.insert(roles.end(), parameters.begin(), parameters.end());
    return roles;
  }
};

inline const std::vector<op>& ops() {
#define PC_PARAMETER(name, shape) shape == PC_ORDER ? role::weight : role::bias,
#define PC_SCALAR(name, range) {range, 0},
#define PC_CHOICE(name, count, choices) {PC_FINITE, count},
#define PC_LIST(name, form, parameters, scalars)                                                           \
  {#name "_forward", form, {parameters}, {scalars}, false, pc_##name##_forward, pc_##name##_forward_plan}, \
      {#name "_backward",        form, {parameters}, {scalars}, true, pc_##name##_backward,                \
       pc_##name##_backward_plan},
  static const std::vector<op> all = {
      PC_ACTIVATIONS(PC_LIST){"copy", 0, {}, {{PC_FINITE, 3}}, false, pc_copy, pc_copy_plan, true}};
#undef PC_PARAMETER
#undef PC_SCALAR
#undef PC_CHOICE
#undef PC_LIST
  return all;
}

}  // namespace fuzz
