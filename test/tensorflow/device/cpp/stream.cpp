// The library's way to TensorFlow's stream through its C++ objects, on the test's GPU. A pluggable device's stream does
// not say there what CUDA stream it is; but asked for its status it calls the device, which sees whose it is.
#include "../../../../native/tensorflow/cpp/stream.cpp"
#include "../device.h"

extern "C" {

// Of TensorFlow, whose header of it includes more than the library needs, and of the device.
SP_Stream TF_GetStream(void* context, TF_Status* status);
void* polycom_cuda_stream(SP_Stream stream);
SP_Stream test_device_last_asked();

static int64_t same, different;

// As polycom_tensorflow_stream: the CUDA stream of the stream found, which must be the one that the C API gives.
EXPORTED void* test_stream(void* context) {
  TF_Status* status = TF_NewStatus();
  SP_Stream given = TF_GetStream(context, status);
  TF_DeleteStatus(status);
  const bool well = stream_of(context)->RefreshStatus().ok();
  SP_Stream found = test_device_last_asked();
  ++(well && found == given && polycom_tensorflow_stream(context) == nullptr ? same : different);
  return polycom_cuda_stream(found);
}

EXPORTED int64_t test_streams_same() { return same; }
EXPORTED int64_t test_streams_different() { return different; }

}  // extern "C"
