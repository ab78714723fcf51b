// A checked call of embedding: a table of `rows` rows of `cols` contiguous floats,
// and `count` of their indices.
#pragma once
#include "polycom.h"

struct pc_queue;

namespace polycom {

struct embedding_call {
  pc_dtype dtype;
  int64_t rows, cols, count;
  const void* table;  // forward
  const int32_t* ids;
  const void* dy;   // backward
  void* y;          // forward
  void* dtable;     // backward
  void* workspace;  // backward
};

// The bytes of workspace that the backward pass needs.
namespace cuda {
int64_t embedding_workspace(const embedding_call& call);
}

}  // namespace polycom
