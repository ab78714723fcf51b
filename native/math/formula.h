// What an element-wise activation's formula is, for the kernels of every instruction set and of CUDA alike.
//
// native/math/<name>.h has a formula of the activation's name:
//
//   struct name : formula {
//     static constexpr int sums = 2;  // one for each element of the parameters
//     static constexpr bool is_long = true;  // needs many registers
//     template <class T> struct constants { ... };
//     // Made of parameters and scalars once a call, in CUDA once a thread.
//     template <class T> constants<T> fold(const formula_inputs& in);
//     V forward(V x, const constants<T>& c);
//     V backward(V x, V g, const constants<T>& c);  // dx, of the gradient g of y
//     void add_sums(V x, V g, const constants<T>& c, V* s);  // adds an element's share of the sums
//     // Writes what sum number k makes: one element of a parameter's gradient.
//     void finish(int k, double sum, const formula_inputs& in, float* const* gradients);
//   };
//
// It leaves out what it does not need: `formula` has the rest. V is a vector of floats, float, or for
// add_sums double, where sums leave float's range; T is the type of its elements. In CUDA `in` and
// `gradients` lie among the kernel's parameters: an index into them that is known only at run time costs a
// copy of them.
//
// A gated activation is gated<F>, or a formula of its own, which takes `up` beside the gate:
//
//   struct name : gated_formula {
//     V forward(V gate, V up, const constants<T>& c);
//     void backward(V gate, V up, V dy, const constants<T>& c, V* dgate, V* dup);
//     void add_sums(V gate, V up, V dy, const constants<T>& c, V* s);
//   };
//
// Where an order or a scalar is better chosen as the kernels are compiled,
// with_variant() chooses among formulas.
#pragma once
#include "polycom.h"
#include "portable.h"

namespace polycom {

constexpr int max_parameters = 4;

// Parameters and scalars, in the order of the activation's line in polycom.h.
struct formula_inputs {
  const float* parameters[max_parameters];  // where the kernel runs
  double scalars[PC_MAX_SCALARS];
  int32_t order;  // of the parameters with the shape [order]
};

struct formula {
  static constexpr bool takes_up = false, is_long = false;
  static constexpr int sums = 0;

  struct nothing {};
  template <class T>
  using constants = nothing;

  template <class T>
  PC_MATH nothing fold(const formula_inputs&) {
    return {};
  }
};

struct gated_formula : formula {
  static constexpr bool takes_up = true;
};

// y = f(gate) up.
template <class F>
struct gated : gated_formula {
  static constexpr int sums = F::sums;
  static constexpr bool is_long = F::is_long;

  template <class T>
  using constants = typename F::template constants<T>;

  template <class T>
  PC_MATH constants<T> fold(const formula_inputs& in) {
    return F::template fold<T>(in);
  }

  template <class V, class C>
  PC_MATH V forward(V gate, V up, const C& c) {
    return F::forward(gate, c) * up;
  }

  template <class V, class C>
  PC_MATH void backward(V gate, V up, V dy, const C& c, V* dgate, V* dup) {
    *dgate = F::backward(gate, dy * up, c);
    *dup = dy * F::forward(gate, c);
  }

  template <class V, class C>
  PC_MATH void add_sums(V gate, V up, V dy, const C& c, V* s) {
    F::add_sums(gate, dy * up, c, s);
  }

  PC_MATH void finish(int k, double sum, const formula_inputs& in, float* const* gradients) {
    F::finish(k, sum, in, gradients);
  }
};

// The formula that CUDA's kernels compute results by that are stored in 16 bits: the activation itself, unless its
// header has a shorter one.
template <class F>
struct stored_in_16_bits {
  using type = F;
};

template <class F>
struct stored_in_16_bits<gated<F>> {
  using type = gated<typename stored_in_16_bits<F>::type>;
};

// run(formula), with the formula that the kernels of a call are compiled for: the activation itself, unless
// its header has an overload, which chooses by the order or the scalars.
template <class F, class Run>
static inline auto with_variant(F formula, const formula_inputs&, Run run) {
  return run(formula);
}

template <class F, class Run>
static inline auto with_variant(gated<F>, const formula_inputs& in, Run run) {
  return with_variant(F{}, in, [&](auto formula) { return run(gated<decltype(formula)>{}); });
}

}  // namespace polycom
