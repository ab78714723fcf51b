// What queues and memory share.
#pragma once
#include <cuda_runtime.h>

#include "polycom.h"

namespace polycom {
namespace cuda {

// Whether a device has what an attribute names.
bool has(int32_t index, cudaDeviceAttr attribute);

// A pool of this library's own on a device, one for all queues, which keeps what is freed; null where there are no pools.
// The device's default pool is others' too. Each opening is to be closed: the last one gives all back to the driver.
cudaMemPool_t open_pool(int32_t index);
void close_pool(int32_t index);

}  // namespace cuda
}  // namespace polycom
