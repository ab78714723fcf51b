// What the parts of the emulated CUDA share: see cuda_runtime.h.
#pragma once
#include <functional>

#include "cuda_runtime.h"

// Dynamic shared memory a block, as a 9.0 has it.
constexpr size_t most_shared = 227 << 10;

struct emulated_grid {
  dim3 blocks, threads;
  unsigned cluster;
  size_t shared_bytes;
  void (*thread)(const void* call);
};

// Runs every thread of a grid, here and now.
void run_grid(const emulated_grid& grid, const void* call);

// Has work done in a stream's order: at once, or with a device apart later, on a thread of the stream's.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);
// Has an event reached when all that every stream was asked is done; and every stream's later work wait for it.
cudaError_t record_everywhere(cudaEvent_t event);
cudaError_t wait_everywhere(cudaEvent_t event);
// Waits until all streams are idle.
void wait_for_streams();

// --- the device apart: EMULATED_APART=1 ---

bool is_apart();
// As run_grid, in the device's process. The only one to which device memory is readable.
void run_grid_apart(const emulated_grid& grid, const void* call, size_t bytes);
// Memory of the device's; null if there is none left. And memory of the host's that the device reaches too.
void* allocate_apart(size_t bytes);
void* allocate_pinned(size_t bytes);
// Gives either back; false for an address that neither gave.
bool free_apart(void* memory);
// Where a copy finds what has an address: device memory lies elsewhere for it.
void* reachable(const void* address);
// What has gone wrong on the device, as with CUDA for good.
cudaError_t device_failure();
