// A GPU for TensorFlow, for tests: a PluggableDevice of type GPU over the CUDA runtime. Compiled with the emulator's
// cuda_runtime.h it needs no GPU; compiled with CUDA's it puts a GPU under a TensorFlow that was built without CUDA.
// It has memory, streams and copies, and no kernels: TensorFlow's own ops run on the CPU.
#include "device.h"

using namespace test_device;

namespace {

void device_count(const SP_Platform*, int* count, TF_Status* status) { tell(status, cudaGetDeviceCount(count)); }

void create_device(const SP_Platform*, SE_CreateDeviceParams* made, TF_Status* status) {
  made->device->struct_size = SP_DEVICE_STRUCT_SIZE;
  made->device->ordinal = made->ordinal;
  made->device->hardware_name = "a GPU for tests";
  made->device->device_vendor = "polycom";
  made->device->pci_bus_id = "0000:00:00.0";
  tell(status, cudaSetDevice(int(made->ordinal)));
}

void destroy_device(const SP_Platform*, SP_Device*) {}
int32_t numa_node(const SP_Device*) { return -1; }
int64_t memory_bandwidth(const SP_Device*) { return -1; }
double gflops(const SP_Device*) { return -1; }

void create_device_functions(const SP_Platform*, SE_CreateDeviceFnsParams* made, TF_Status*) {
  made->device_fns->struct_size = SP_DEVICE_FNS_STRUCT_SIZE;
  made->device_fns->get_numa_node = numa_node;
  made->device_fns->get_memory_bandwidth = memory_bandwidth;
  made->device_fns->get_gflops = gflops;
}

void destroy_device_functions(const SP_Platform*, SP_DeviceFns*) {}

void create_executor(const SP_Platform*, SE_CreateStreamExecutorParams* made, TF_Status*) {
  SP_StreamExecutor& executor = *made->stream_executor;
  executor.struct_size = SP_STREAMEXECUTOR_STRUCT_SIZE;
  add_memory(executor);
  add_streams(executor);
}

void destroy_executor(const SP_Platform*, SP_StreamExecutor*) {}

void create_timer_functions(const SP_Platform*, SP_TimerFns* functions, TF_Status*) {
  functions->struct_size = SP_TIMER_FNS_STRUCT_SIZE;
  functions->nanoseconds = timer_nanoseconds;
}

void destroy_timer_functions(const SP_Platform*, SP_TimerFns*) {}
void destroy_platform(SP_Platform*) {}
void destroy_platform_functions(SP_PlatformFns*) {}

}  // namespace

EXPORTED void SE_InitPlugin(SE_PlatformRegistrationParams* made, TF_Status*) {
  made->major_version = SE_MAJOR;
  made->minor_version = SE_MINOR;
  made->patch_version = SE_PATCH;
  made->destroy_platform = destroy_platform;
  made->destroy_platform_fns = destroy_platform_functions;
  SP_Platform& platform = *made->platform;
  platform.struct_size = SP_PLATFORM_STRUCT_SIZE;
  platform.name = "POLYCOM_TEST";
  platform.type = "GPU";
  platform.supports_unified_memory = false;
  platform.use_bfc_allocator = true;
  SP_PlatformFns& functions = *made->platform_fns;
  functions.struct_size = SP_PLATFORM_FNS_STRUCT_SIZE;
  functions.get_device_count = device_count;
  functions.create_device = create_device;
  functions.destroy_device = destroy_device;
  functions.create_device_fns = create_device_functions;
  functions.destroy_device_fns = destroy_device_functions;
  functions.create_stream_executor = create_executor;
  functions.destroy_stream_executor = destroy_executor;
  functions.create_timer_fns = create_timer_functions;
  functions.destroy_timer_fns = destroy_timer_functions;
}
