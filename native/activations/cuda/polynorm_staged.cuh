// PolyNorm's kernels over rows in shared memory: a block, or a cluster of blocks that share the row, copies
// the next rows in while it works on one, and reads each from there twice. Few registers, so that many
// threads and many bytes are in flight; a row may be as wide as eight blocks' shared memory.
#pragma once
#include "activations/mapping.h"
#include "polynorm_row.cuh"
#include "runtime/cuda/async.cuh"

namespace polycom {
namespace cuda {

constexpr int staged_warps = staged_threads / warp_size;

// What a staged block has beside its rows, which it sums N values of.
template <int R, int N>
struct staged_room {
  union {
    typename row_group<false, N, staged_warps>::shared block;
    finish_room<R + 1, staged_warps> finish;
  };
  double parts[2][most_cluster][N];  // each block's sums, as its peers have sent them, by turns
  cluster_mail mail[2];              // to each of the two
  block_totals<R> totals;            // of the coefficient gradients, in a backward pass
};

// The threads that share a row: those of the cluster's blocks.
template <int R, int N>
class staged_group {
 public:
  // Waits until the blocks are there: before that, none may write to another's shared memory.
  __device__ explicit staged_group(staged_room<R, N>& room) : room_(room), block_(room.block) {
    if (block_cluster::size() == 1) return;
    if (threadIdx.x < 2) room.mail[threadIdx.x].open();
    block_cluster::sync();
  }

  __device__ int rank() const { return int(block_cluster::rank() * blockDim.x + threadIdx.x); }
  __device__ int size() const { return int(block_cluster::size() * blockDim.x); }
  __device__ bool leads() const { return rank() == 0; }

  // Each of `values` summed over the group, block by block in their order; every thread gets the sums.
  template <int M, class V>
  __device__ __forceinline__ void sum(V (&values)[M]) {
    static_assert(M <= N, "the shared room is for N sums");
    block_.sum(values);
    const unsigned blocks = block_cluster::size();
    if (blocks == 1) return;
    // Two by turns: a block that is still at one sum gets no more than the next.
    const unsigned turn = count_ & 1;
    auto* parts = reinterpret_cast<V(*)[N]>(room_.parts[turn]);
    cluster_mail& mail = room_.mail[turn];
    if (threadIdx.x == 0) mail.expect(blocks * M * unsigned(sizeof(V)));
    if (threadIdx.x < blocks) {
#pragma unroll
      for (int k = 0; k < M; ++k) mail.send(&parts[block_cluster::rank()][k], threadIdx.x, values[k]);
    }
    mail.wait(count_ >> 1 & 1);
    ++count_;
#pragma unroll
    for (int k = 0; k < M; ++k) values[k] = parts[0][k];
#pragma unroll 1
    for (unsigned block = 1; block < blocks; ++block) {
#pragma unroll
      for (int k = 0; k < M; ++k) values[k] += parts[block][k];
    }
  }

  // No block may leave while others send to its shared memory, or read it.
  __device__ void leave() const {
    if (block_cluster::size() > 1) block_cluster::sync();
  }

 private:
  staged_room<R, N>& room_;
  row_group<false, N, staged_warps> block_;
  unsigned count_ = 0;  // of sums
};

// The rows of a cluster in turn: those of each of its chunks.
// Chunk c has the rows c, c + chunks, c + 2 chunks ..
struct row_walk {
  int64_t row, chunk, rows, chunks, step;

  __device__ __forceinline__ row_walk(const polynorm_call& call, int64_t of_chunks)
      : row(blockIdx.x / block_cluster::size()),
        chunk(row),
        rows(call.rows),
        chunks(of_chunks),
        step(gridDim.x / block_cluster::size()) {}

  __device__ __forceinline__ bool done() const { return chunk >= chunks; }
  // Whether the last row of the chunk was left.
  __device__ __forceinline__ bool next() {
    row += chunks;
    if (row < rows) return false;
    chunk += step;
    row = chunk;
    return true;
  }
};

// A block's part of a few rows in shared memory. Each thread copies what it reads itself, so that there is
// nothing to wait for but its own copies. Of a row, a tensor's slots lie `threads` apart, and behind them the next
// tensor's.
template <class T, bool Gated, bool Backward>
class row_ring {
 public:
  static constexpr int E = slot_elements<T, true>;
  static constexpr int tensors = staged_tensors(Gated, Backward);
  enum tensor { X = 0, UP = 1, DY = Gated ? 2 : 1 };
  using slot = packed<T, E>;

  __device__ __forceinline__ row_ring(void* memory, const staging& plan, int rank, int size, int cols)
      : memory_(static_cast<slot*>(memory) + threadIdx.x),
        plan_(plan),
        threads_(int(blockDim.x)),
        tensor_(plan.slots * threads_),
        start_(rank * E),
        stride_(size * E),
        cols_(cols) {}

  __device__ __forceinline__ int slots() const { return plan_.slots; }
  // Where slot `s` of this thread begins in a row.
  __device__ __forceinline__ int at(int s) const { return start_ + s * stride_; }

  // Starts to copy the next row of `walk` into the stage that is free. Past the last row, nothing: but a
  // group of copies all the same, for they are counted.
  __device__ __forceinline__ void fetch(const polynorm_call& call, row_walk& walk) {
    if (!walk.done()) {
      const row_of<T, Gated> row(call, walk.row);
      slot* to = stage(free_);
      int place = start_;
#pragma unroll 4
      for (int s = 0; s < plan_.slots; ++s, place += stride_, to += threads_) {
        if (place < cols_) {
          copy(to + X * tensor_, row.x + place);
          if constexpr (Gated) copy(to + UP * tensor_, row.up + place);
          if constexpr (Backward) copy(to + DY * tensor_, row.dy + place);
        } else {
#pragma unroll
          for (int which = 0; which < tensors; ++which) *reinterpret_cast<uint4*>(to + which * tensor_) = {};
        }
      }
      walk.next();
    }
    __pipeline_commit();
    free_ = after(free_);
  }

  // Waits for the oldest row that was fetched.
  __device__ __forceinline__ void wait() const { wait_for_copies(plan_.stages - 1); }

  __device__ __forceinline__ slot read(tensor which, int s) const {
    return load_whole(stage(ready_) + which * tensor_ + s * threads_);
  }

  // Gives the oldest row's stage up.
  __device__ __forceinline__ void drop() { ready_ = after(ready_); }

 private:
  __device__ __forceinline__ int after(int stage) const { return stage + 1 == plan_.stages ? 0 : stage + 1; }
  __device__ __forceinline__ slot* stage(int number) const { return memory_ + number * tensors * tensor_; }
  static __device__ __forceinline__ void copy(slot* to, const T* from) {
    __pipeline_memcpy_async(to, from, slot_bytes);
  }

  slot* memory_;
  staging plan_;
  int threads_, tensor_, start_, stride_, cols_, free_ = 0, ready_ = 0;
};

// Slots that a thread sums before it carries the sums over: so that its errors grow with the square root.
template <class T>
constexpr int carry_slots = sizeof(T) == 4 ? 8 : 4;

// add(slot number, sums) for each slot of a thread.
template <class T, int N, class Add>
__device__ __forceinline__ void sum_slots(int slots, float (&sums)[N], Add add) {
#pragma unroll 1
  for (int first = 0; first < slots; first += carry_slots<T>) {
    float part[N] = {};
    const int last = first + carry_slots<T> < slots ? first + carry_slots<T> : slots;
#pragma unroll 2
    for (int s = first; s < last; ++s) add(s, part);
#pragma unroll
    for (int k = 0; k < N; ++k) sums[k] += part[k];
  }
}

// --- kernels ---

template <int R, class T, bool Gated>
__global__ void __launch_bounds__(staged_threads, 2)
    polynorm_forward_staged_kernel(const polynorm_call call, const staging plan) {
  using formula = polynorm<R>;
  using ring_t = row_ring<T, Gated, false>;
  constexpr int E = ring_t::E;
  using room_t = staged_room<R, R>;
  static_assert(sizeof(room_t) <= staged_room_bytes, "the host reckons with this");
  auto& room = *static_cast<room_t*>(dynamic_shared());
  staged_group<R, R> group(room);
  ring_t ring(reinterpret_cast<char*>(&room) + staged_room_bytes, plan, group.rank(), group.size(),
              int(call.cols));
  row_walk walk(call, call.rows), ahead = walk;
  for (int stage = 1; stage < plan.stages; ++stage) ring.fetch(call, ahead);
  for (; !walk.done(); walk.next(), ring.drop()) {
    ring.fetch(call, ahead);
    ring.wait();
    const row_of<T, Gated> row(call, walk.row);
    float sums[R] = {};
    sum_slots<T>(ring.slots(), sums, [&](int s, float(&part)[R]) {
      const packed<T, E> x = ring.read(ring_t::X, s);
#pragma unroll
      for (int i = 0; i < E; ++i) formula::add_moments(x[i], part);
    });
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse;
    if (formula::leaves_float(sums, call.epsilon)) {
      forward_row_in_double<R>(group, row, call, sums);
      continue;
    }
    const auto folded = formula::template fold_forward<float>(sums, call.epsilon, call.weight, *call.bias);
#pragma unroll 2
    for (int s = 0; s < ring.slots(); ++s) {
      const packed<T, E> x = ring.read(ring_t::X, s);
      packed<T, E> up;
      if constexpr (Gated) up = ring.read(ring_t::UP, s);
      store_even<E>(row.out, ring.at(s), int(call.cols), forward_slot<R, T, E, Gated>(x, up, folded));
    }
  }
  group.leave();
}

template <int R, class T, bool Gated>
__global__ void __launch_bounds__(staged_threads, 1)
    polynorm_backward_staged_kernel(const polynorm_call call, const staging plan, int64_t chunks,
                                    unsigned* ticket) {
  using formula = polynorm<R>;
  using ring_t = row_ring<T, Gated, true>;
  constexpr int E = ring_t::E, N = formula::backward_sums;
  using room_t = staged_room<R, N>;
  static_assert(sizeof(room_t) <= staged_room_bytes, "the host reckons with this");
  auto& room = *static_cast<room_t*>(dynamic_shared());
  staged_group<R, N> group(room);
  ring_t ring(reinterpret_cast<char*>(&room) + staged_room_bytes, plan, group.rank(), group.size(),
              int(call.cols));
  if (group.leads()) room.totals.clear();
  row_walk walk(call, chunks), ahead = walk;
  for (int stage = 1; stage < plan.stages; ++stage) ring.fetch(call, ahead);
  while (!walk.done()) {
    ring.fetch(call, ahead);
    ring.wait();
    const row_of<T, Gated> row(call, walk.row);
    float sums[N] = {};
    sum_slots<T>(ring.slots(), sums, [&](int s, float(&part)[N]) {
      const packed<T, E> x = ring.read(ring_t::X, s), dy = ring.read(ring_t::DY, s);
      packed<T, E> up;
      if constexpr (Gated) up = ring.read(ring_t::UP, s);
#pragma unroll
      for (int i = 0; i < E; ++i) formula::add_moments_and_products(x[i], gradient<Gated>(dy, up, i), part);
    });
    group.sum(sums);
#pragma unroll
    for (int p = 0; p < R; ++p) sums[p] *= call.inverse;
    if (formula::backward_leaves_float(sums, call.epsilon)) {
      double gradients[R + 1];
      backward_row_in_double<R>(group, row, call, sums, gradients);
      if (group.leads()) room.totals.add(gradients);
    } else {
      float gradients[R + 1];
      const auto folded = fold<R, Gated>(sums, call, gradients);
      if (group.leads()) room.totals.add(gradients);
#pragma unroll 2
      for (int s = 0; s < ring.slots(); ++s) {
        const packed<T, E> x = ring.read(ring_t::X, s), dy = ring.read(ring_t::DY, s);
        packed<T, E> up;
        if constexpr (Gated) up = ring.read(ring_t::UP, s);
        packed<T, E> dup;
        store_even<E>(row.out, ring.at(s), int(call.cols), backward_slot<R>(x, up, dy, folded, &dup));
        if constexpr (Gated) store_even<E>(row.dup, ring.at(s), int(call.cols), dup);
      }
    }
    ring.drop();
    const int64_t chunk = walk.chunk;
    if (walk.next() && group.leads()) {
      hand_in(call, chunk, room.totals.values);
      room.totals.clear();
    }
  }
  if (block_cluster::rank() == 0) {
    finish_sums<polynomial<R>>(call, chunks, gridDim.x / block_cluster::size(), ticket, room.finish);
  }
  group.leave();
}

}  // namespace cuda
}  // namespace polycom
