// cub::DeviceTransform, which comes with the toolkit, over the formulas of native/math: a peer of the element-wise
// kernels that computes the very same, and a roof: streams with as many reads and writes as their passes have.
// build.py compiles this into a library of its own, which roofs.py calls.
#if !__has_include(<cub/device/device_transform.cuh>)
#error "this toolkit's CUB is too old: it has no cub::DeviceTransform"
#endif
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <thrust/iterator/zip_iterator.h>
#include <thrust/tuple.h>

#include <cstring>
#include <cub/device/device_transform.cuh>
#include <cuda/std/tuple>

#include "math/geglu.h"
#include "math/polyrelu.h"
#include "math/reglu.h"
#include "math/relu2.h"
#include "math/swiglu.h"

namespace {

using namespace polycom;

// A pass over `elements` of every matrix, one after the other.
struct transform_call {
  const void* const* inputs;
  void* const* outputs;
  int64_t elements;
  cudaStream_t stream;

  template <class T>
  const T* in(int i) const {
    return static_cast<const T*>(inputs[i]);
  }
  template <class T>
  T* out(int i) const {
    return static_cast<T*>(outputs[i]);
  }
};

template <class F>
using constants_of = typename F::template constants<float>;

template <class F, class T>
struct forward_of {
  constants_of<F> constants;

  __host__ __device__ T operator()(T x) const { return T(F::forward(float(x), constants)); }
  __host__ __device__ T operator()(T gate, T up) const {
    return T(F::forward(float(gate), float(up), constants));
  }
};

template <class F, class T>
struct backward_of {
  constants_of<F> constants;

  __host__ __device__ T operator()(T x, T dy) const { return T(F::backward(float(x), float(dy), constants)); }
  __host__ __device__ thrust::tuple<T, T> operator()(T gate, T up, T dy) const {
    float dgate, dup;
    F::backward(float(gate), float(up), float(dy), constants, &dgate, &dup);
    return {T(dgate), T(dup)};
  }
};

template <class T>
auto both_outputs(const transform_call& call) {
  return thrust::make_zip_iterator(thrust::make_tuple(call.out<T>(0), call.out<T>(1)));
}

// What sums over the elements, as the gradients of coefficients do, is no transform.
template <class F, class T>
cudaError_t run(const transform_call& call, bool backward, const formula_inputs& given) {
  const constants_of<F> constants = F::template fold<float>(given);
  const auto transform = [&](auto inputs, auto output, auto formula) {
    return cub::DeviceTransform::Transform(inputs, output, call.elements, formula, call.stream);
  };
  const T *x = call.in<T>(0), *second = call.in<T>(1);
  if constexpr (F::takes_up) {
    if (!backward)
      return transform(cuda::std::make_tuple(x, second), call.out<T>(0), forward_of<F, T>{constants});
    return transform(cuda::std::make_tuple(x, second, call.in<T>(2)), both_outputs<T>(call),
                     backward_of<F, T>{constants});
  } else {
    if (!backward) return transform(cuda::std::make_tuple(x), call.out<T>(0), forward_of<F, T>{constants});
    if constexpr (F::sums > 0) return cudaErrorNotSupported;
    return transform(cuda::std::make_tuple(x, second), call.out<T>(0), backward_of<F, T>{constants});
  }
}

// The formula that the kernels have for results in 16 bits, in those.
template <class F>
cudaError_t run_stored(const transform_call& call, bool backward, bool is_bf16, const formula_inputs& given) {
  using short_formula = typename stored_in_16_bits<F>::type;
  return is_bf16 ? run<short_formula, __nv_bfloat16>(call, backward, given)
                 : run<F, float>(call, backward, given);
}

// Words of 32 bits, each the exclusive or of those that are read, as pc_stream has it.
struct mix {
  template <class... Words>
  __host__ __device__ unsigned operator()(Words... words) const {
    return (words ^ ...);
  }
};

struct mix_twice {
  __host__ __device__ thrust::tuple<unsigned, unsigned> operator()(unsigned a, unsigned b, unsigned c) const {
    return {a ^ b ^ c, a ^ b ^ c};
  }
};

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// A pass of an activation over f32, or bf16. `parameters` lie in the host's memory. Returns a cudaError_t.
int transform_run(const char* name, int backward, int is_bf16, const void* const* inputs,
                  void* const* outputs, const float* const* parameters, int64_t elements, void* stream) {
  const transform_call call{inputs, outputs, elements, static_cast<cudaStream_t>(stream)};
  formula_inputs given{};
  given.order = 3;
  for (int i = 0; parameters != nullptr && i < 2; ++i) given.parameters[i] = parameters[i];
  const auto is = [&](const char* one) { return strcmp(name, one) == 0; };
  const auto with = [&](auto formula) {
    return run_stored<decltype(formula)>(call, backward != 0, is_bf16 != 0, given);
  };
  if (is("relu")) return with(relu{});
  if (is("relu2")) return with(plain_relu2{});
  if (is("gelu")) return with(gelu{});
  if (is("gelu_tanh")) return with(gelu_tanh{});
  if (is("silu")) return with(silu{});
  if (is("polyrelu")) return with(polyrelu_of<3>{});
  if (is("reglu")) return with(gated<relu>{});
  if (is("geglu")) return with(gated<gelu>{});
  if (is("swiglu")) return with(gated<silu>{});
  return cudaErrorNotSupported;
}

// A stream of so many bytes from each of its inputs. Returns a cudaError_t.
int transform_stream(int reads, int writes, const void* const* inputs, void* const* outputs, int64_t bytes,
                     void* stream) {
  const transform_call call{inputs, outputs, bytes / int64_t(sizeof(unsigned)),
                            static_cast<cudaStream_t>(stream)};
  const auto in = [&](int i) { return call.in<unsigned>(i); };
  const auto transform = [&](auto given, auto output, auto mixed) {
    return cub::DeviceTransform::Transform(given, output, call.elements, mixed, call.stream);
  };
  unsigned* const out = call.out<unsigned>(0);
  if (reads == 1 && writes == 1) return transform(cuda::std::make_tuple(in(0)), out, mix{});
  if (reads == 2 && writes == 1) return transform(cuda::std::make_tuple(in(0), in(1)), out, mix{});
  if (reads == 3 && writes == 2)
    return transform(cuda::std::make_tuple(in(0), in(1), in(2)), both_outputs<unsigned>(call), mix_twice{});
  return cudaErrorNotSupported;
}

const char* transform_error(int status) { return cudaGetErrorName(cudaError_t(status)); }
}
#pragma GCC visibility pop
