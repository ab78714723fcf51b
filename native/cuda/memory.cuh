// What queues and memory share.
#pragma once
#include <cuda_runtime.h>

#include "polycom.h"

namespace polycom {
namespace cuda {

// Whether a device has what an attribute names.
bool has(int32_t index, cudaDeviceAttr attribute);

// Has the device's pool keep what is freed, instead of giving it back at the next synchronisation. False
// where there are no pools.
bool open_pool(int32_t index);

}  // namespace cuda
}  // namespace polycom
