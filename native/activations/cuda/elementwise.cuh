// Element-wise activations in CUDA: which kernel a call takes.
#pragma once
#include <type_traits>

#include "elementwise_run.cuh"
#include "elementwise_strided.cuh"
#include "runtime/cuda/launch.cuh"

namespace polycom {
namespace cuda {

// Blocks of a backward pass that sums: as many on every GPU, so that the sums repeat.
constexpr int64_t most_partials = 1024;

// A call whose matrices are each one run of memory, as a single row.
inline activation_call flattened(activation_call call) {
  if (!call.contiguous) return call;
  call.cols *= call.rows;
  call.rows = 1;
  return call;
}

// Blocks of a backward pass that sums: by the shape alone.
inline int64_t elementwise_partials(int64_t elements) {
  constexpr int64_t share = int64_t(elementwise_threads) * 8;
  const int64_t blocks = divide_up(elements, share);
  return blocks < most_partials ? blocks : most_partials;
}

// What computes F's results in a storage.
template <class F, class T>
using formula_in = typename std::conditional_t<sizeof(T) == 2, stored_in_16_bits<F>, type_tag<F>>::type;

// run(type_tag of the formula, type_tag of the storage) where every matrix is one run of memory from a slot's boundary
// on; elsewhere strided(the same, whole_tag).
template <class F, class Run, class Strided>
pc_status with_form(const activation_call& call, const slot_layout& layout, Run run, Strided strided) {
  const bool is_run = call.rows == 1 && layout.whole && uintptr_t(call.x.data) % slot_bytes == 0;
  return with_storage(call.dtype, [&](auto storage) {
    const type_tag<formula_in<F, typename decltype(storage)::type>> formula;
    if (is_run) return run(formula, storage);
    return layout.whole ? strided(formula, storage, std::true_type{})
                        : strided(formula, storage, std::false_type{});
  });
}

template <class F>
pc_status forward_of(const pc_queue& queue, const activation_call& call, const slot_layout& layout) {
  const auto start = [&](auto kernel, const auto& given, int slots, const auto&... more) {
    const int64_t tile = int64_t(elementwise_threads) * slots;
    const launch_shape shape = {divide_up(call.rows * layout.row_slots, tile), elementwise_threads};
    return launch(queue, shape, kernel, given, more...);
  };
  return with_form<F>(
      call, layout,
      [&](auto formula, auto storage) {
        using G = typename decltype(formula)::type;
        const auto kernel = elementwise_forward_run_kernel<G, typename decltype(storage)::type>;
        return start(kernel, elementwise_call<G>(call), forward_slots<G>);
      },
      [&](auto formula, auto storage, auto whole) {
        using G = typename decltype(formula)::type;
        const auto kernel =
            elementwise_forward_kernel<G, typename decltype(storage)::type, decltype(whole)::value>;
        return start(kernel, elementwise_call<G>(call), forward_slots<G>, slot_divisor(layout.row_slots));
      });
}

template <class F>
pc_status backward_of(const pc_queue& queue, const activation_call& call, const slot_layout& layout) {
  unsigned* ticket = nullptr;
  if constexpr (F::sums > 0) {
    if (pc_status status = ticket_of(queue, call, &ticket)) return status;
  }
  const auto start = [&](auto kernel, const auto& given, int slots, const auto&... more) {
    const int64_t tile = int64_t(elementwise_threads) * slots;
    const int64_t blocks = F::sums > 0 ? elementwise_partials(call.rows * call.cols)
                                       : divide_up(call.rows * layout.row_slots, tile);
    return launch(queue, {blocks, elementwise_threads}, kernel, given, more..., ticket);
  };
  return with_form<F>(
      call, layout,
      [&](auto formula, auto storage) {
        using G = typename decltype(formula)::type;
        const auto kernel = elementwise_backward_run_kernel<G, typename decltype(storage)::type>;
        return start(kernel, elementwise_call<G>(call), backward_slots<G>);
      },
      [&](auto formula, auto storage, auto whole) {
        using G = typename decltype(formula)::type;
        const auto kernel =
            elementwise_backward_kernel<G, typename decltype(storage)::type, decltype(whole)::value>;
        return start(kernel, elementwise_call<G>(call), backward_slots<G>, slot_divisor(layout.row_slots));
      });
}

// An activation's passes, in the call's storage.
template <class F>
pc_status elementwise_forward(const pc_queue& queue, const activation_call& shaped) {
  if (shaped.rows == 0 || shaped.cols == 0) return PC_OK;
  const activation_call call = flattened(shaped);
  return with_variant(F{}, call.inputs, [&](auto formula) {
    return forward_of<decltype(formula)>(queue, call, lay_out(call));
  });
}

template <class F>
pc_status elementwise_backward(const pc_queue& queue, const activation_call& shaped) {
  if (shaped.rows == 0 || shaped.cols == 0) return zero_gradients(queue, shaped);
  const activation_call call = flattened(shaped);
  return with_variant(F{}, call.inputs, [&](auto formula) {
    return backward_of<decltype(formula)>(queue, call, lay_out(call));
  });
}

}  // namespace cuda
}  // namespace polycom
