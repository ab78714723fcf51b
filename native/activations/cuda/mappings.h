// The table of mappings: how PolyNorm's kernels take a row, by architecture, pass and the row's 16-byte
// slots. The first line that suits is taken: see pc_mapping in polycom.h. `npm run tune` measures, on a GPU,
// which lines would be better there.
//
// Where nothing was measured the lines follow from this: two or more blocks to a multiprocessor, so that one
// loads while another computes; 32 KB or more in flight on each; short rows by lanes of a warp, without barriers;
// rows in registers as long as those leave 16 warps or more resident; wider ones in shared memory, by as many
// blocks of a cluster as let two or three of them be resident. What registers cannot hold is passed on: rows by a
// warp or a block are shorter in 16 bits than in f32, which has more slots for as many elements.
#pragma once
#include "polycom.h"

namespace polycom {

constexpr int32_t forward = 0, backward = 1, gated_forward = 2, gated_backward = 3;

// architecture, pass, item (0: any), path, threads, stages, cluster, most slots
constexpr pc_mapping mappings[] = {
    // Blackwell for desktops (12.0): 99 KB of shared memory a block, and clusters.
    {120, forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {120, forward, 0, PC_PATH_BLOCK, 512, 0, 1, 2048},
    {120, forward, 0, PC_PATH_STAGED, 512, 1, 2, 6144},
    {120, forward, 0, PC_PATH_STAGED, 512, 1, 4, 12288},
    {120, forward, 0, PC_PATH_STAGED, 512, 1, 8, 24576},
    {120, backward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {120, backward, 0, PC_PATH_BLOCK, 256, 0, 1, 2048},
    {120, backward, 0, PC_PATH_STAGED, 256, 1, 2, 3072},
    {120, backward, 0, PC_PATH_STAGED, 256, 1, 4, 6144},
    {120, backward, 0, PC_PATH_STAGED, 256, 1, 8, 12288},
    {120, gated_forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {120, gated_forward, 0, PC_PATH_BLOCK, 512, 0, 1, 1024},
    {120, gated_forward, 0, PC_PATH_STAGED, 512, 1, 2, 3072},
    {120, gated_forward, 0, PC_PATH_STAGED, 512, 1, 4, 6144},
    {120, gated_forward, 0, PC_PATH_STAGED, 512, 1, 8, 12288},
    {120, gated_backward, 0, PC_PATH_WARP, 128, 0, 1, 128},
    {120, gated_backward, 0, PC_PATH_BLOCK, 256, 0, 1, 1024},
    {120, gated_backward, 0, PC_PATH_STAGED, 256, 1, 2, 2048},
    {120, gated_backward, 0, PC_PATH_STAGED, 256, 1, 4, 4096},
    {120, gated_backward, 0, PC_PATH_STAGED, 256, 1, 8, 8192},

    // Hopper and Blackwell for servers (9.0, 10.0): 227 KB, and clusters.
    {90, forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {90, forward, 0, PC_PATH_BLOCK, 512, 0, 1, 2048},
    {90, forward, 0, PC_PATH_STAGED, 512, 1, 1, 4608},
    {90, forward, 0, PC_PATH_STAGED, 512, 1, 2, 9216},
    {90, forward, 0, PC_PATH_STAGED, 512, 1, 4, 18432},
    {90, forward, 0, PC_PATH_STAGED, 512, 1, 8, 106496},
    {90, backward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {90, backward, 0, PC_PATH_BLOCK, 256, 0, 1, 2048},
    {90, backward, 0, PC_PATH_STAGED, 256, 2, 1, 1152},
    {90, backward, 0, PC_PATH_STAGED, 256, 1, 1, 2304},
    {90, backward, 0, PC_PATH_STAGED, 256, 1, 2, 4608},
    {90, backward, 0, PC_PATH_STAGED, 256, 1, 4, 9216},
    {90, backward, 0, PC_PATH_STAGED, 256, 1, 8, 18432},
    {90, backward, 0, PC_PATH_STAGED, 512, 1, 8, 53248},
    {90, gated_forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {90, gated_forward, 0, PC_PATH_BLOCK, 512, 0, 1, 1024},
    {90, gated_forward, 0, PC_PATH_STAGED, 512, 1, 1, 2304},
    {90, gated_forward, 0, PC_PATH_STAGED, 512, 1, 2, 4608},
    {90, gated_forward, 0, PC_PATH_STAGED, 512, 1, 4, 9216},
    {90, gated_forward, 0, PC_PATH_STAGED, 512, 1, 8, 53248},
    {90, gated_backward, 0, PC_PATH_WARP, 128, 0, 1, 128},
    {90, gated_backward, 0, PC_PATH_BLOCK, 256, 0, 1, 1024},
    {90, gated_backward, 0, PC_PATH_STAGED, 256, 1, 1, 1536},
    {90, gated_backward, 0, PC_PATH_STAGED, 256, 1, 2, 3072},
    {90, gated_backward, 0, PC_PATH_STAGED, 256, 1, 4, 6144},
    {90, gated_backward, 0, PC_PATH_STAGED, 256, 1, 8, 12288},
    {90, gated_backward, 0, PC_PATH_STAGED, 512, 1, 8, 35840},

    // Ampere and Ada for desktops (8.6, 8.9): 99 KB, no clusters;
    // what is wider is read twice, from level-2 cache.
    {86, forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {86, forward, 0, PC_PATH_BLOCK, 512, 0, 1, 2048},
    {86, forward, 0, PC_PATH_STAGED, 512, 1, 1, 2816},
    {86, backward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {86, backward, 0, PC_PATH_BLOCK, 256, 0, 1, 2048},
    {86, backward, 0, PC_PATH_STAGED, 256, 1, 1, 1408},
    {86, gated_forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {86, gated_forward, 0, PC_PATH_BLOCK, 512, 0, 1, 1024},
    {86, gated_forward, 0, PC_PATH_STAGED, 512, 1, 1, 1408},
    {86, gated_backward, 0, PC_PATH_WARP, 128, 0, 1, 128},
    {86, gated_backward, 0, PC_PATH_BLOCK, 256, 0, 1, 1024},

    // Ampere for servers (8.0): 163 KB, no clusters.
    {80, forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {80, forward, 0, PC_PATH_BLOCK, 512, 0, 1, 2048},
    {80, forward, 0, PC_PATH_STAGED, 512, 1, 1, 4864},
    {80, backward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {80, backward, 0, PC_PATH_BLOCK, 256, 0, 1, 2048},
    {80, backward, 0, PC_PATH_STAGED, 256, 1, 1, 2304},
    {80, gated_forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {80, gated_forward, 0, PC_PATH_BLOCK, 512, 0, 1, 1024},
    {80, gated_forward, 0, PC_PATH_STAGED, 512, 1, 1, 2304},
    {80, gated_backward, 0, PC_PATH_WARP, 128, 0, 1, 128},
    {80, gated_backward, 0, PC_PATH_BLOCK, 256, 0, 1, 1024},
    {80, gated_backward, 0, PC_PATH_STAGED, 256, 1, 1, 1536},

    // Turing (7.5): 64 KB, which leaves no room for staged rows beside another block.
    {75, forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {75, forward, 0, PC_PATH_BLOCK, 512, 0, 1, 2048},
    {75, backward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {75, backward, 0, PC_PATH_BLOCK, 256, 0, 1, 2048},
    {75, gated_forward, 0, PC_PATH_WARP, 128, 0, 1, 256},
    {75, gated_forward, 0, PC_PATH_BLOCK, 512, 0, 1, 1024},
    {75, gated_backward, 0, PC_PATH_WARP, 128, 0, 1, 128},
    {75, gated_backward, 0, PC_PATH_BLOCK, 256, 0, 1, 1024},
};

}  // namespace polycom
