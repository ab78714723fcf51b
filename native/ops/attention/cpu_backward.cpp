// Attention backward, on the CPU: the probabilities are computed again, a block of queries at a time; every
// item owns the gradients of its keys.
#include "cpu_tiles.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {
namespace {

// A slab's share of dq, [slab][batch, time, heads][width], where there are several slabs.
inline float* dq_share(const attention_call& call, const attention_cut& cut, int64_t slab, int64_t b,
                       int64_t t, int64_t head) {
  float* const shared = workspace_of(call) + cut.workers * cut.slot;
  const int64_t row = ((slab * call.batch + b) * call.time + t) * call.heads + head;
  return shared + row * pad(call.width);
}

// p and dp in place: p = exp(s - lse), ds = p (dp - delta), over the columns that the row sees.
void to_gradients(float* p, float* dp, int64_t n, float lse, float delta) {
  for (int64_t j = 0; j < n; j += lanes) {
    const vec probability = vanishing_exponential(load(p + j) - lse);
    store(p + j, probability);
    store(dp + j, probability * (load(dp + j) - delta));
  }
}

using block = score_rows<block_rows, 128>;

// One item: a slab of keys of one head of k and v, and every query that sees them.
template <class T>
class backward_item {
 public:
  backward_item(const attention_call& call, const attention_cut& cut, int64_t item, float* slot)
      : call_(call), cut_(cut), width_(divide_up(call.width, lanes) * lanes), k_panels_(slot) {
    slab_ = item % cut.slabs;
    first_ = slab_ * cut.slab;
    count_ = std::min(cut.slab, call.keys - first_);
    kv_head_ = item / cut.slabs % call.kv_heads;
    batch_ = item / cut.slabs / call.kv_heads;
    const int64_t room = cut.slab * pad(call.width), block_room = block_rows * pad(call.width);
    v_panels_ = k_panels_ + room;
    k_ = v_panels_ + room;
    dk_ = k_ + room;
    dv_ = dk_ + room;
    q_ = dv_ + room;
    dy_ = q_ + block_room;
    q_columns_ = dy_ + block_room;
    dy_columns_ = q_columns_ + block_room;
    dq_ = dy_columns_ + block_room;
  }

  void run() {
    transpose_heads<lanes, T>(call_.k, batch_, kv_head_, first_, count_, call_.width, q_, k_panels_);
    transpose_heads<lanes, T>(call_.v, batch_, kv_head_, first_, count_, call_.width, q_, v_panels_);
    pack_rows<T>(call_.k, batch_, kv_head_, first_, count_, call_.width, width_, 1, k_);
    for (int64_t i = 0; i < count_ * width_; i += lanes) {
      store(dk_ + i, vec{});
      store(dv_ + i, vec{});
    }
    const int64_t from = call_.first_to_see(batch_, first_);
    for (int64_t head = kv_head_ * call_.group(); head < (kv_head_ + 1) * call_.group(); ++head) {
      for (int64_t t = from; t < call_.time; t += block_rows) run_block(head, t);
    }
    for (int64_t j = 0; j < count_; ++j) {
      write(dk_ + j * width_, 1, call_.dk.row<T>(batch_, first_ + j, kv_head_));
      write(dv_ + j * width_, 1, call_.dv.row<T>(batch_, first_ + j, kv_head_));
    }
  }

 private:
  void run_block(int64_t head, int64_t t) {
    const int64_t rows = std::min(block_rows, call_.time - t);
    pack_rows<T>(call_.q, batch_, head, t, rows, call_.width, width_, call_.scale, q_);
    pack_rows<T>(call_.dy, batch_, head, t, rows, call_.width, width_, 1, dy_);
    transpose_rows<strip_rows>(q_, width_, rows, call_.width, q_columns_);
    transpose_rows<strip_rows>(dy_, width_, rows, call_.width, dy_columns_);
    for (int64_t i = 0; i < block_rows * width_; i += lanes) store(dq_ + i, vec{});
    float lse[block_rows], delta[block_rows];
    for (int64_t r = 0; r < block_rows; ++r) {
      // The rows that the last block lacks have no probability: exp(-infinity).
      lse[r] = r < rows ? call_.lse[(batch_ * call_.heads + head) * call_.time + t + r] : INFINITY;
      delta[r] = r < rows ? delta_of(call_.y.row<const T>(batch_, t + r, head), dy_ + r * width_) : 0;
    }
    const int64_t seen = std::min(call_.seen(batch_, t + rows - 1) - first_, count_);
    for (int64_t j = 0; j < seen; j += block::columns) {
      int64_t counts[block_rows];
      for (int64_t r = 0; r < block_rows; ++r) {
        // The rows that it lacks are as its last one.
        const int64_t of_row = call_.seen(batch_, t + std::min(r, rows - 1)) - first_ - j;
        counts[r] = std::max<int64_t>(0, std::min({of_row, count_ - j, block::columns}));
      }
      for (int64_t r = 0; r < rows; r += strip_rows) run_strip(r, j, counts + r, lse + r, delta + r);
      multiply_transposed_add<block::pitch>(p_.at, counts, rows, dy_, width_, dv_ + j * width_);
      multiply_transposed_add<block::pitch>(ds_.at, counts, rows, q_, width_, dk_ + j * width_);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const float* dq = dq_ + r * width_;
      if (cut_.slabs == 1) {
        write(dq, call_.scale, call_.dq.row<T>(batch_, t + r, head));
      } else {
        write(dq, call_.scale, dq_share(call_, cut_, slab_, batch_, t + r, head));
      }
    }
  }

  // p and ds of a strip, and what they add to dq: the block's rows from r, the slab's keys from j.
  void run_strip(int64_t r, int64_t j, const int64_t* seen, const float* lse, const float* delta) {
    strip_counts counts;
    std::copy_n(seen, strip_rows, counts.of);
    const float *q = q_columns_ + r * call_.width, *dy = dy_columns_ + r * call_.width;
    const int64_t at = j * call_.width, columns = counts.most();
    multiply_transposed<block::pitch>(q, k_panels_ + at, call_.width, columns, p_.row(r));
    multiply_transposed<block::pitch>(dy, v_panels_ + at, call_.width, columns, ds_.row(r));
    for (int i = 0; i < strip_rows; ++i) {
      to_gradients(p_.row(r + i), ds_.row(r + i), counts.of[i], lse[i], delta[i]);
    }
    multiply_add<block::pitch>(ds_.row(r), counts, k_ + j * width_, width_, dq_ + r * width_);
  }

  float delta_of(const T* y, const float* dy) const {
    vec sum{};
    for (int64_t d = 0; d < call_.width; d += lanes) {
      sum += load_up_to(y + d, std::min<int64_t>(lanes, call_.width - d)) * load(dy + d);
    }
    return sum_lanes(sum);
  }

  template <class U>
  void write(const float* from, float factor, U* to) const {
    map(output<U>{to}, call_.width, false,
        [&](int64_t d, int64_t n) { return load_up_to(from + d, n) * factor; });
  }

  const attention_call& call_;
  const attention_cut& cut_;
  int64_t width_;  // padded
  int64_t slab_, first_, count_, kv_head_, batch_;
  float *k_panels_, *v_panels_;     // k and v, transposed
  float *k_, *dk_, *dv_;            // as rows
  float *q_, *dy_;                  // a block of each, q scaled
  float *q_columns_, *dy_columns_;  // the same, transposed
  float* dq_;
  block p_, ds_;
};

// dq from the slabs' shares, in their order; those of keys that a query does not see were not written.
template <class T>
void sum_dq(const pc_queue& queue, const attention_call& call, const attention_cut& cut) {
  struct context_t {
    const attention_call& call;
    const attention_cut& cut;
  } context{call, cut};
  parallel_for(
      call.batch * call.time, queue.threads,
      [](void* opaque, int64_t i) {
        // No structured binding: in C++17 a lambda captures none.
        const context_t& c = *static_cast<const context_t*>(opaque);
        const attention_call& of = c.call;
        const attention_cut& slabs = c.cut;
        const int64_t b = i / of.time, t = i % of.time, count = divide_up(of.seen(b, t), slabs.slab);
        for (int64_t head = 0; head < of.heads; ++head) {
          map(output<T>{of.dq.row<T>(b, t, head)}, of.width, false, [&](int64_t d, int64_t n) {
            vec sum{};
            for (int64_t s = 0; s < count; ++s) sum += load_up_to(dq_share(of, slabs, s, b, t, head) + d, n);
            return sum;
          });
        }
      },
      &context);
}

}  // namespace

pc_status attention_backward(pc_queue& queue, const attention_call& call) {
  const attention_cut cut = cut_backward(call);
  return with_storage(call.dtype, [&](auto storage) {
    using T = typename decltype(storage)::type;
    for_each_item(queue, call, cut,
                  [&](int64_t item, float* slot) { backward_item<T>(call, cut, item, slot).run(); });
    if (cut.slabs > 1) sum_dq<T>(queue, call, cut);
    return PC_OK;
  });
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
