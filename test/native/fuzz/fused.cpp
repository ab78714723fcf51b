// Calls of the ops beside the activations: fused_ops.h says what each takes.
#include "fused.h"

#include <limits.h>

#include <algorithm>
#include <memory>

#include "fused_ops.h"
#include "memory.h"
#include "report.h"

namespace fuzz {
namespace {

struct fused_call {
  const fused_op& of;
  pc_dtype dtype;  // of its matrices
  size_map sizes;
  std::vector<shape> shapes;  // inputs first
  std::vector<std::shared_ptr<allocation>> memory;
  std::vector<int64_t> offsets;
  std::shared_ptr<allocation> block, workspace;

  pc_args& args() const { return *reinterpret_cast<pc_args*>(block->data()); }
  pc_tensor& tensor(size_t i) const { return reinterpret_cast<pc_tensor*>(&args() + 1)[i]; }
  size_t inputs() const { return of.takes.inputs.size(); }
  char* data(size_t i) const { return memory[i]->data() + offsets[i]; }
  pc_dtype dtype_of(size_t i) const {
    if (shapes[i].integer()) return PC_I32;
    return shapes[i].what == holds::matrix ? dtype : PC_F32;
  }
  int64_t element_size(size_t i) const {
    const pc_dtype of_it = dtype_of(i);
    return of_it == PC_F16 || of_it == PC_BF16 ? 2 : 4;
  }
  int64_t elements(size_t i) const {
    int64_t count = 1;
    for (const char* axis = shapes[i].axes; *axis != 0; ++axis) count *= sizes.at(*axis);
    return count;
  }
};

size_map random_sizes(random_source& random) {
  const auto size = [&] { return random.one_of<int64_t>({0, 1, 1, 2, 3, 4, 5, 7, 8, 15, 17, 33}); };
  const auto width = [&] { return random.one_of<int64_t>({1, 2, 3, 8, 15, 16, 17, 63, 64, 65, 129, 300}); };
  size_map sizes = {{'r', size()}, {'t', size()},    {'h', random.between(0, 3)},
                                   {'2', 2},      {'C', width()},   {'c', random.chance(10) ? 0 : width()},
                                   {'s', 4},      {'D', 2 * size()}};
  sizes['K'] = random.between(1, 2);
  sizes['H'] = sizes['K'] * random.between(1, 3);
  sizes['S'] = random.between(1, 40);
  sizes['W'] = random.one_of<int64_t>({1, 2, 7, 16, 33, 64, 128});
  sizes['P'] = sizes['t'] + sizes['s'] - 1;
  sizes['g'] = random.between(0, 4);
  sizes['G'] = sizes['g'] + 1;
  sizes['o'] = sizes['g'] == 1 && random.chance(50) ? 0 : sizes['G'];
  sizes['n'] = sizes['r'] + 1;
  sizes['R'] = random.between(1, PC_MAX_ORDER);
  sizes['u'] = random.chance(50) ? sizes['c'] : 0;
  return sizes;
}

int32_t random_integer(const fused_call& c, const shape& s, random_source& random) {
  if (!s.ranged()) return int32_t(random.bits());
  return int32_t(random.between(s.low, c.sizes.at(s.below) - 1));
}

// The bits of a float of [2^-14, 65504] in magnitude, rounded towards 0.
uint32_t bits_of(float value, pc_dtype dtype) {
  uint32_t word;
  memcpy(&word, &value, sizeof word);
  if (dtype == PC_F16) return (word >> 16 & 0x8000) | (((word & 0x7fffffff) - (112u << 23)) >> 13);
  return dtype == PC_BF16 ? word >> 16 : word;
}

void fill(const fused_call& c, size_t i, random_source& random) {
  const bool wild = random.chance(20);
  std::vector<int32_t> integers(c.shapes[i].integer() ? size_t(c.elements(i)) : 0);
  for (int32_t& integer : integers) integer = random_integer(c, c.shapes[i], random);
  if (c.shapes[i].what == holds::rising) std::sort(integers.begin(), integers.end());
  for (int64_t k = 0; k < c.elements(i); ++k) {
    const uint32_t word = c.shapes[i].integer() ? uint32_t(integers[size_t(k)])
                          : wild                ? uint32_t(random.bits())
                                                : bits_of(float(random.tame()), c.dtype_of(i));
    memcpy(c.data(i) + k * c.element_size(i), &word, size_t(c.element_size(i)));
  }
}

void describe(const fused_call& c, size_t i) {
  pc_tensor& t = c.tensor(i);
  t = {};
  t.data = c.data(i);
  t.dtype = c.dtype_of(i);
  t.rank = int32_t(strlen(c.shapes[i].axes));
  int64_t stride = 1;
  for (int32_t axis = t.rank - 1; axis >= 0; --axis) {
    t.shape[axis] = c.sizes.at(c.shapes[i].axes[axis]);
    t.strides[axis] = stride;
    stride *= t.shape[axis];
  }
}

// A valid call, planned as a caller does who has no memory yet.
fused_call make_fused_call(const fused_op& of, const pc_queue* queue, random_source& random) {
  const pc_dtype dtype = random.one_of<pc_dtype>({PC_F32, PC_F32, PC_F16, PC_BF16});
  fused_call c{of, dtype, random_sizes(random), of.takes.inputs, {}, {}, nullptr, nullptr};
  c.shapes.insert(c.shapes.end(), of.takes.outputs.begin(), of.takes.outputs.end());
  const int64_t size = int64_t(sizeof(pc_args) + c.shapes.size() * sizeof(pc_tensor));
  c.block = std::make_shared<allocation>(size);
  c.args() = {size, int32_t(c.inputs()), int32_t(of.takes.outputs.size()), of.takes.scalars, 0, {}, nullptr,
              0};
  c.args().scalars[0] = any_epsilon(random);
  if (of.takes.choose != nullptr) of.takes.choose(c.args().scalars, c.sizes, random);
  for (size_t i = 0; i < c.shapes.size(); ++i) {
    c.offsets.push_back(random.between(0, 9) * c.element_size(i));
    c.memory.push_back(std::make_shared<allocation>(c.offsets[i] + c.elements(i) * c.element_size(i)));
    if (i < c.inputs()) fill(c, i, random);
    describe(c, i);
    c.tensor(i).data = nullptr;
  }
  const pc_status planned = of.plan(queue, &c.args());
  expect(planned == PC_OK, "a valid plan has status %d", planned);
  for (size_t i = 0; i < c.shapes.size(); ++i) {
    const pc_tensor plan = c.tensor(i);
    describe(c, i);
    const pc_tensor& mine = c.tensor(i);
    expect(plan.rank == mine.rank && plan.dtype == mine.dtype, "tensor %zu is planned as another", i);
    for (int32_t axis = 0; axis < plan.rank; ++axis) {
      expect(plan.shape[axis] == mine.shape[axis] && plan.strides[axis] == mine.strides[axis],
             "tensor %zu is planned otherwise on axis %d", i, axis);
    }
  }
  c.workspace = std::make_shared<allocation>(c.args().workspace_size);
  c.args().workspace = c.workspace->data();
  return c;
}

// All bytes of some tensors, with what lies before them.
std::vector<char> bytes_of(const fused_call& c, size_t first, size_t past) {
  std::vector<char> bytes;
  for (size_t i = first; i < past; ++i)
    bytes.insert(bytes.end(), c.memory[i]->data(), c.memory[i]->data() + c.memory[i]->size());
  return bytes;
}

void run_right(const fused_call& c, pc_queue* const (&queues)[2], random_source& random) {
  const std::vector<char> before = bytes_of(c, 0, c.inputs());
  std::vector<char> first;
  for (int turn = 0; turn < 2; ++turn) {
    for (size_t i = c.inputs(); i < c.shapes.size(); ++i) c.memory[i]->refill();
    c.workspace->refill();
    const pc_status status = c.of.run(queues[random.between(0, 1)], &c.args());
    expect(status == PC_OK, "a valid call has status %d", status);
    expect(bytes_of(c, 0, c.inputs()) == before, "an input has changed");
    const std::vector<char> outputs = bytes_of(c, c.inputs(), c.shapes.size());
    if (turn == 0) first = outputs;
    expect(outputs == first, "the bits differ the second time");
  }
  ++now.compared;
}

// Breaks a call, so that it must be refused. False if this way to break it is none for this call.
bool break_tensor(const fused_call& c, random_source& random) {
  const size_t i = size_t(random.between(0, int64_t(c.shapes.size()) - 1));
  pc_tensor& t = c.tensor(i);
  const int32_t axis = int32_t(random.between(0, std::max(t.rank, 1) - 1));
  switch (random.between(0, 5)) {
    case 0:
      // A single matrix may have any of their dtypes.
      t.dtype = c.shapes[i].integer()                ? random.one_of({-1, 0, 1, 2, 4})
                : c.shapes[i].what == holds::matrix  ? random.one_of({-1, 3, 4, INT_MAX})
                                                     : random.one_of({-1, 1, 2, 3, 4, INT_MAX});
      return true;
    case 1:
      t.rank = random.one_of({t.rank + 1, t.rank - 1, -1, 9, INT_MAX, INT_MIN});
      return true;
    case 2:
      if (t.rank == 0) return false;
      t.shape[axis] = random.one_of<int64_t>({-1, INT64_MIN, INT64_MAX, 1ll << 62, 1ll << 60, INT32_MIN});
      return true;
    case 3:
      if (t.rank == 0 || t.shape[axis] < 2 || c.elements(i) == 0) return false;  // of no elements, any stride may be right
      if (!c.of.takes.strided && random.chance(50))
        t.strides[axis] += 1;
      else
        t.strides[axis] = random.one_of<int64_t>({-1, INT64_MAX, 1ll << 61});
      return true;
    case 4:
      if (c.elements(i) == 0) return false;
      t.data = random.chance(50) ? nullptr : c.data(i) + random.one_of({1, 3});
      return true;
    default:
      if (!c.shapes[i].ranged() || c.elements(i) == 0) return false;
      const int32_t past = int32_t(c.sizes.at(c.shapes[i].below));
      const int32_t wrong = random.one_of({past, past + 1, c.shapes[i].low - 1, INT_MAX, INT_MIN});
      memcpy(c.data(i) + random.between(0, c.elements(i) - 1) * c.element_size(i), &wrong, sizeof wrong);
      return true;
  }
}

bool break_header(const fused_call& c, random_source& random) {
  pc_args& args = c.args();
  int32_t* const counts[] = {&args.n_inputs, &args.n_outputs, &args.n_scalars};
  switch (random.between(0, 3)) {
    case 0:
      *counts[random.between(0, 2)] += random.one_of({1, -1, 1 << 20, -100});
      return true;
    case 1:
      args.size += random.one_of<int64_t>({-1, 1, 144, -144, INT64_MIN});
      return true;
    case 2:
      if (args.n_scalars == 0) return false;
      args.scalars[0] = random.one_of<double>({NAN, INFINITY, -INFINITY, 1e39});
      return true;
    default:
      if (args.workspace_size == 0) return false;
      if (random.chance(50))
        args.workspace_size -= random.between(1, args.workspace_size);
      else
        args.workspace = random.chance(50) ? nullptr : c.workspace->data() + 4;
      return true;
  }
}

void run_wrong(const fused_call& c, pc_queue* queue, pc_device device, random_source& random) {
  const std::vector<char> sound(c.block->data(), c.block->data() + c.block->size());
  if (!(random.chance(70) ? break_tensor : break_header)(c, random)) return;
  const std::vector<char> before = bytes_of(c, 0, c.shapes.size());
  const pc_status status = c.of.run(queue, &c.args());
  // Whole numbers alone: on CUDA nobody has looked at them before the kernel does.
  if (device == PC_CUDA && memcmp(sound.data(), c.block->data(), sound.size()) == 0)
    return expect(status == PC_OK, "whole numbers have status %d", status);
  expect(status > PC_OK && status <= PC_OUT_OF_MEMORY, "a broken call has status %d", status);
  expect(bytes_of(c, 0, c.shapes.size()) == before, "a refused call has written");
  ++now.refused;
}

// A plan reads no memory but its block: any bytes there may come back with any status.
void plan_wrong(const fused_call& c, const pc_queue* queue, random_source& random) {
  for (size_t i = 0; i < c.shapes.size(); ++i) {
    for (int64_t& size : c.tensor(i).shape)
      if (random.chance(30))
        size = random.one_of<int64_t>({0, 1, 2, 1 << 20, INT32_MAX, 1ll << 40, 1ll << 59});
    if (random.chance(70)) {
      int64_t stride = 1;
      for (int32_t axis = c.tensor(i).rank - 1; axis >= 0; --axis) {
        c.tensor(i).strides[axis] = stride;
        if (__builtin_mul_overflow(stride, c.tensor(i).shape[axis], &stride)) stride = 1;
      }
    }
  }
  const pc_status status = c.of.plan(queue, &c.args());
  expect(status >= PC_OK && status <= PC_OUT_OF_MEMORY, "a plan of garbage has status %d", status);
  if (status == PC_OK) expect(c.args().workspace_size >= 0, "a plan asks for a negative workspace");
}

}  // namespace

void one_fused_call(pc_queue* const (&queues)[2], pc_device device, random_source& random) {
  const fused_op& of = fused_ops()[size_t(random.between(0, int64_t(fused_ops().size()) - 1))];
  now.op = of.name;
  pc_queue* queue = queues[random.between(0, 1)];
  const fused_call c = make_fused_call(of, queue, random);
  if (random.chance(40)) return run_right(c, queues, random);
  if (random.chance(80)) return run_wrong(c, queue, device, random);
  plan_wrong(c, queue, random);
}

}  // namespace fuzz
