// Launches of the emulated CUDA: see cuda_runtime.h.
#include <vector>

#include "device.h"

namespace {

constexpr unsigned most_threads = 1024, most_cluster = 8;

bool is_valid(const emulated_grid& grid) {
  const unsigned threads = grid.threads.x, cluster = grid.cluster;
  return threads > 0 && threads <= most_threads && threads % warpSize == 0 && grid.blocks.x > 0 && cluster > 0 &&
         cluster <= most_cluster && grid.blocks.x % cluster == 0 && grid.shared_bytes <= most_shared;
}

}  // namespace

cudaError_t emulated_launch(const cudaLaunchConfig_t& config, void (*thread)(const void* call), const void* call,
                            size_t bytes) {
  const unsigned cluster = config.numAttrs > 0 ? config.attrs[0].val.clusterDim.x : 1;
  const emulated_grid grid{config.gridDim, config.blockDim, cluster, config.dynamicSmemBytes, thread};
  if (!is_valid(grid)) return cudaErrorInvalidConfiguration;
  if (!is_apart()) return run_grid(grid, call), cudaSuccess;
  const char* begin = static_cast<const char*>(call);
  return enqueue(config.stream, [grid, copy = std::vector<char>(begin, begin + bytes)] {
    run_grid_apart(grid, copy.data(), copy.size());
  });
}
