// The CUDA stream of an op on TensorFlow's own GPU device, whose stream its C API keeps to itself. Not part of the
// library: tf-link compiles this against the C++ headers of the TensorFlow that it links, and it is right there alone.
#include "xla/stream_executor/stream.h"

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/types.h"

namespace {

// `context` is a TF_OpKernelContext, which TensorFlow's C API casts like this too.
stream_executor::Stream* stream_of(void* context) {
  tensorflow::DeviceContext* device =
      reinterpret_cast<tensorflow::OpKernelContext*>(context)->op_device_context();
  return device == nullptr ? nullptr : device->stream();
}

// A function whose name bears the ABI of its std::string: this does not load beside a TensorFlow that has another.
__attribute__((used)) std::string (*const checked)(tensorflow::DataType) = tensorflow::DataTypeString;

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// What TF_Version says where this may be used.
const char* polycom_tensorflow_version() { return POLYCOM_TENSORFLOW_VERSION; }

// Null for a device that has no CUDA stream or does not say it.
void* polycom_tensorflow_stream(void* context) {
  stream_executor::Stream* stream = stream_of(context);
  return stream == nullptr ? nullptr : stream->platform_specific_handle().stream;
}

}  // extern "C"
#pragma GCC visibility pop
