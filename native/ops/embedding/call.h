// A checked call of embedding: a table of `rows` rows of `cols` contiguous floats,
// and `count` of their indices.
#pragma once
#include "polycom.h"

struct pc_queue;

namespace polycom {

struct embedding_call {
  int64_t rows, cols, count;
  const float* table;  // forward
  const int32_t* ids;
  const float* dy;  // backward
  float* y;         // forward
  float* dtable;    // backward
  void* workspace;  // backward
};

// The bytes of workspace that the backward pass needs.
namespace cuda {
int64_t embedding_workspace(const embedding_call& call);
}

}  // namespace polycom
