// A checked call of the attention: what the kernels, CPU or CUDA, are handed.
//
//   s_tj = scale sum_d q_td k_jd,   lse_t = log sum_j exp(s_tj),
//   p_tj = exp(s_tj - lse_t),       y_t = sum_j p_tj v_j
//
// over the keys j that query t sees, and with dp_tj = dy_t . v_j, delta_t = dy_t . y_t, ds = p (dp - delta):
//
//   dv_j = sum_t p_tj dy_t,   dq_t = scale sum_j ds_tj k_j,   dk_j = scale sum_t ds_tj q_t
#pragma once
#include "math/portable.h"
#include "polycom.h"

struct pc_queue;

namespace polycom {

// [batch, time, heads, width]: strides in elements, the last axis contiguous.
struct heads_view {
  void* data;
  int64_t batch, time, head;

  template <class T>
  PC_PORTABLE T* row(int64_t b, int64_t t, int64_t h) const {
    return static_cast<T*>(data) + b * batch + t * time + h * head;
  }
};

struct attention_call {
  pc_dtype dtype;  // of all but lse
  int64_t batch, time, keys, heads, kv_heads, width;
  heads_view q, k, v, y, dy, dq, dk, dv;  // those that a pass lacks have no data
  const int32_t* start;                   // [batch]: the position of query 0 among the keys
  float* lse;                             // [batch, heads, time]
  float scale;
  void* workspace;

  // How many heads of q share a head of k and v.
  PC_PORTABLE int64_t group() const { return heads / kv_heads; }
  // How many keys query t of batch b sees: 1 or more where there are any, whatever `start` holds.
  PC_PORTABLE int64_t seen(int64_t b, int64_t t) const {
    const int64_t first = start[b];
    const int64_t count = (first < 0 ? 0 : first) + t + 1;
    return count < keys ? count : keys;
  }
  // The first query of batch b that sees key j; `time` or more if none does.
  PC_PORTABLE int64_t first_to_see(int64_t b, int64_t j) const {
    const int64_t first = start[b];
    const int64_t t = j - (first < 0 ? 0 : first);
    return t < 0 ? 0 : t;
  }
};

// The bytes of workspace that a pass needs.
namespace cpu {
int64_t attention_forward_workspace(const attention_call& call);
int64_t attention_backward_workspace(const attention_call& call);
}  // namespace cpu
namespace cuda {
int64_t attention_forward_workspace(const attention_call& call);
int64_t attention_backward_workspace(const attention_call& call);
}  // namespace cuda

}  // namespace polycom
