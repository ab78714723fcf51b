// Attention forward, on the CPU: strips of queries against all of their keys, whose scores are in the cache.
#include "cpu_tiles.h"

namespace polycom {
namespace cpu {
namespace PC_ISA {
namespace {

using strip = score_rows<strip_rows, 512>;

// A strip's running softmax: each row's largest score so far, and its sum of exponentials.
struct softmax_state {
  float most[strip_rows], sum[strip_rows];

  softmax_state() {
    for (int r = 0; r < strip_rows; ++r) {
      most[r] = -INFINITY;
      sum[r] = 0;
    }
  }
};

// What is subtracted from a row's scores: its largest, or 0 if that is no number to subtract.
inline float shift_of(float most) { return most == -INFINITY ? 0 : most; }

// Turns a strip's scores into exponentials, and rescales what was summed with the largest score of before.
void add_to_softmax(strip& scores, const strip_counts& counts, softmax_state& state, float* sums,
                    int64_t width) {
  for (int r = 0; r < strip_rows; ++r) {
    if (counts.of[r] == 0) continue;
    const float before = state.most[r], found = largest(scores.row(r), counts.of[r]);
    state.most[r] = found > before ? found : before;
    const float shift = shift_of(state.most[r]);
    if (before > -INFINITY && shift != before) {
      const float factor = exponential(before - shift);
      state.sum[r] *= factor;
      for (int64_t d = 0; d < width; d += lanes) {
        store(sums + r * width + d, load(sums + r * width + d) * factor);
      }
    }
    state.sum[r] += exponentials(scores.row(r), counts.of[r], shift);
  }
}

// One item: the queries of a slab, of every head that shares a head of k and v.
template <class T>
class forward_item {
 public:
  forward_item(const attention_call& call, const attention_cut& cut, int64_t item, float* slot)
      : call_(call), width_(divide_up(call.width, lanes) * lanes), panels_(slot) {
    // The last slabs have the most work: first.
    first_ = (cut.slabs - 1 - item % cut.slabs) * cut.slab;
    end_ = std::min(first_ + cut.slab, call.time);
    kv_head_ = item / cut.slabs % call.kv_heads;
    batch_ = item / cut.slabs / call.kv_heads;
    const int64_t room = pad(call.keys) * pad(call.width), strip_room = most_lanes * pad(call.width);
    values_ = panels_ + room;
    queries_ = values_ + room;
    columns_ = queries_ + strip_room;
    sums_ = columns_ + strip_room;
  }

  void run() {
    const int64_t seen = call_.seen(batch_, end_ - 1);
    transpose_heads<lanes, T>(call_.k, batch_, kv_head_, 0, seen, call_.width, queries_, panels_);
    pack_rows<T>(call_.v, batch_, kv_head_, 0, seen, call_.width, width_, 1, values_);
    for (int64_t head = kv_head_ * call_.group(); head < (kv_head_ + 1) * call_.group(); ++head) {
      for (int64_t t = first_; t < end_; t += strip_rows) run_strip(head, t);
    }
  }

 private:
  void run_strip(int64_t head, int64_t t) {
    const int64_t rows = std::min<int64_t>(strip_rows, end_ - t);
    pack_rows<T>(call_.q, batch_, head, t, rows, call_.width, width_, call_.scale, queries_);
    transpose_rows<strip_rows>(queries_, width_, rows, call_.width, columns_);
    for (int64_t i = 0; i < strip_rows * width_; i += lanes) store(sums_ + i, vec{});
    const int64_t seen = call_.seen(batch_, t + rows - 1);
    softmax_state state;
    for (int64_t j = 0; j < seen; j += strip::columns) {
      strip_counts counts;
      for (int r = 0; r < strip_rows; ++r) {
        // The rows that the last strip lacks are as its last one.
        const int64_t of_row = call_.seen(batch_, t + std::min<int64_t>(r, rows - 1)) - j;
        counts.of[r] = std::max<int64_t>(0, std::min(of_row, strip::columns));
      }
      multiply_transposed<strip::pitch>(columns_, panels_ + j * call_.width, call_.width, counts.most(),
                                        scores_.at);
      add_to_softmax(scores_, counts, state, sums_, width_);
      multiply_add<strip::pitch>(scores_.at, counts, values_ + j * width_, width_, sums_);
    }
    for (int64_t r = 0; r < rows; ++r) write(head, t + r, sums_ + r * width_, state.most[r], state.sum[r]);
  }

  void write(int64_t head, int64_t t, const float* sums, float most, float sum) {
    const float inverse = 1 / sum;
    map(output<T>{call_.y.row<T>(batch_, t, head)}, call_.width, false,
        [&](int64_t d, int64_t n) { return load_up_to(sums + d, n) * inverse; });
    call_.lse[(batch_ * call_.heads + head) * call_.time + t] = shift_of(most) + logf(sum);
  }

  const attention_call& call_;
  int64_t width_;  // padded
  int64_t first_, end_, kv_head_, batch_;
  float* panels_;   // k, transposed
  float* values_;   // v
  float* queries_;  // a strip of q, scaled
  float* columns_;  // the same, transposed
  float* sums_;     // y before it is divided by the sum of exponentials
  strip scores_;
};

// --- decoding: one query ---

template <class T>
PC_INLINE float dot(const float* padded, const T* row, int64_t width) {
  vec sum{};
  int64_t d = 0;
  for (; d + lanes <= width; d += lanes) sum += load(padded + d) * load(row + d);
  if (d < width) sum += load(padded + d) * load_part(row + d, width - d);
  return sum_lanes(sum);
}

inline float* partial(const attention_call& call, const attention_cut& cut, int64_t b, int64_t head,
                      int64_t slab) {
  float* const shared = workspace_of(call) + cut.workers * cut.slot;
  return shared + ((b * call.heads + head) * cut.slabs + slab) * partial_size(call);
}

// The partial results of a slab of keys, for every head that shares a head of k and v.
template <class T>
void decode_slab(const attention_call& call, const attention_cut& cut, int64_t item, float* queries) {
  const int64_t slab = item % cut.slabs, kv_head = item / cut.slabs % call.kv_heads;
  const int64_t b = item / cut.slabs / call.kv_heads, width = pad(call.width), group = call.group();
  const int64_t first = slab * cut.slab, count = std::min(call.seen(b, 0) - first, cut.slab);
  if (count <= 0) return;
  for (int64_t g = 0; g < group; ++g) {
    const int64_t head = kv_head * group + g;
    pack_rows<T>(call.q, b, head, 0, 1, call.width, width, call.scale, queries + g * width);
  }
  for (int64_t g = 0; g < group; ++g) {
    alignas(64) float scores[decoding_slab];
    for (int64_t j = 0; j < count; ++j) {
      scores[j] = dot(queries + g * width, call.k.row<const T>(b, first + j, kv_head), call.width);
    }
    float* const sums = partial(call, cut, b, kv_head * group + g, slab);
    const float most = largest(scores, count);
    sums[width] = most;
    sums[width + 1] = exponentials(scores, count, shift_of(most));
    for (int64_t d = 0; d < call.width; d += lanes) {
      const int64_t n = std::min<int64_t>(lanes, call.width - d);
      vec sum{};
      for (int64_t j = 0; j < count; ++j) {
        sum += scores[j] * load_up_to(call.v.row<const T>(b, first + j, kv_head) + d, n);
      }
      store(sums + d, sum);
    }
  }
}

// The slabs' partial results together, in their order.
template <class T>
void finish_decoding(const attention_call& call, const attention_cut& cut, int64_t b, int64_t head) {
  const int64_t slabs = divide_up(call.seen(b, 0), cut.slab), width = pad(call.width);
  float most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < slabs; ++i) most = std::max(most, partial(call, cut, b, head, i)[width]);
  const float shift = shift_of(most);
  for (int64_t i = 0; i < slabs; ++i) {
    float* const sums = partial(call, cut, b, head, i);
    sums[width] = exponential(sums[width] - shift);  // the slab's factor
    sum += sums[width] * sums[width + 1];
  }
  const float inverse = 1 / sum;
  map(output<T>{call.y.row<T>(b, 0, head)}, call.width, false, [&](int64_t d, int64_t n) {
    vec y{};
    for (int64_t i = 0; i < slabs; ++i) {
      const float* const sums = partial(call, cut, b, head, i);
      y += sums[width] * load_up_to(sums + d, n);
    }
    return y * inverse;
  });
  call.lse[b * call.heads + head] = shift + logf(sum);
}

template <class T>
pc_status decode(pc_queue& queue, const attention_call& call) {
  const attention_cut cut = cut_decoding(call);
  for_each_item(queue, call, cut, [&](int64_t item, float* slot) { decode_slab<T>(call, cut, item, slot); });
  for (int64_t b = 0; b < call.batch; ++b) {
    for (int64_t head = 0; head < call.heads; ++head) finish_decoding<T>(call, cut, b, head);
  }
  return PC_OK;
}

}  // namespace

pc_status attention_forward(pc_queue& queue, const attention_call& call) {
  return with_storage(call.dtype, [&](auto storage) -> pc_status {
    using T = typename decltype(storage)::type;
    if (is_decoding(call)) return decode<T>(queue, call);
    const attention_cut cut = cut_forward(call);
    for_each_item(queue, call, cut,
                  [&](int64_t item, float* slot) { forward_item<T>(call, cut, item, slot).run(); });
    return PC_OK;
  });
}

}  // namespace PC_ISA
}  // namespace cpu
}  // namespace polycom
