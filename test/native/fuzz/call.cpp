// Valid calls: all dtypes, ranks, orders and forms; strided, misaligned, packed, broadcast and empty tensors.
#include "call.h"

#include <algorithm>

#include "report.h"

namespace fuzz {
namespace {

struct shape_of {
  std::vector<int64_t> sizes;
  int64_t rows = 1, cols = 1;
};

int64_t random_width(int64_t longest, random_source& random) {
  if (random.chance(3)) return 0;
  if (random.chance(5)) return random.between(longest / 2, longest);
  if (random.chance(30)) return random.between(1, 300);
  return random.one_of<int64_t>(
      {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 1023, 1025});
}

shape_of random_shape(const op& of, limits most, random_source& random) {
  shape_of shape;
  const int64_t rank = random.one_of<int64_t>({0, 1, 1, 2, 2, 2, 2, 3, 3, 4, 8});
  shape.sizes.resize(size_t(of.rowwise() && rank == 0 ? 1 : rank));
  if (shape.sizes.empty()) return shape;
  shape.cols = shape.sizes.back() = random_width(most.elements, random);
  for (size_t i = 0; i + 1 < shape.sizes.size(); ++i) {
    const int64_t size = random.chance(3) ? 0 : random.one_of<int64_t>({1, 1, 2, 3, 4, 7});
    const int64_t rows = shape.rows * size;
    const bool fits = rows <= most.rows && rows * shape.cols <= most.elements;
    shape.rows *= shape.sizes[i] = fits ? size : 1;
  }
  return shape;
}

// What a block's field holds where it is not read, or does not matter.
int64_t any_stride(random_source& random) { return random.one_of<int64_t>({0, 1, 3, 1 << 20, 1ll << 61}); }

void describe(pc_tensor* tensor, const view& v, const std::vector<int64_t>& sizes, random_source& random) {
  tensor->data = sizes.empty() || v.rows * v.cols > 0 || random.chance(50) ? v.data() : nullptr;
  tensor->dtype = v.dtype;
  tensor->rank = int32_t(sizes.size());
  int64_t step = v.stride;
  for (size_t i = sizes.size(); i-- > 0;) {
    const bool last = i + 1 == sizes.size();
    tensor->shape[i] = sizes[i];
    tensor->strides[i] = sizes[i] == 1 ? any_stride(random) : last ? 1 : step;
    if (!last) step *= sizes[i];
  }
}

int64_t random_offset(pc_dtype dtype, random_source& random) {
  return random.chance(50) ? 0 : random.between(1, 17) * item_size(dtype);
}

view place_matrix(const call& c, bool output, random_source& random) {
  int64_t stride = c.cols + (random.chance(50) ? 0 : random.between(1, 20));
  if (!output && random.chance(5)) stride = 0;
  return place(c.dtype, c.rows, c.cols, stride, random_offset(c.dtype, random));
}

// [gate | up], side by side.
void place_packed(const call& c, view* gate, view* up, random_source& random) {
  const int64_t stride = 2 * c.cols + (random.chance(50) ? 0 : random.between(1, 20));
  const int64_t rows = c.cols == 0 ? 0 : c.rows;
  const view whole = place(c.dtype, rows, 2 * c.cols, stride, random_offset(c.dtype, random));
  *gate = *up = whole;
  gate->rows = up->rows = c.rows;
  gate->cols = up->cols = c.cols;
  up->offset += c.cols * item_size(c.dtype);
}

void fill_tame(const view& v, random_source& random) {
  for (int64_t r = 0; r < v.rows; ++r) {
    for (int64_t i = 0; i < v.cols; ++i) write(v, r, i, random.tame());
  }
}

// Any bits: NaN, infinities, subnormals, the largest and the smallest.
void fill_wild(const view& v, random_source& random) {
  for (int64_t r = 0; r < v.rows; ++r) {
    for (int64_t i = 0; i < v.cols; ++i) {
      const uint64_t bits = random.bits();
      memcpy(v.at(r, i), &bits, size_t(item_size(v.dtype)));
    }
  }
}

void place_tensors(call* c, const std::vector<int64_t>& sizes, random_source& random) {
  for (size_t i = 0; i < c->roles.size(); ++i) {
    const bool output = i >= c->inputs();
    std::vector<int64_t> shape = sizes;
    switch (c->roles[i]) {
      case role::matrix:
        c->views[i] = place_matrix(*c, output, random);
        break;
      case role::weight:
        c->views[i] = place(PC_F32, 1, c->order, c->order, random_offset(PC_F32, random));
        shape = {c->order};
        break;
      case role::bias:
        c->views[i] = place(PC_F32, 1, 1, 1, random_offset(PC_F32, random));
        shape.assign(size_t(random.one_of({0, 1, 3})), 1);
        break;
    }
    if (c->of->gated() && random.chance(30)) {
      const size_t first = i - 1;
      const bool second_matrix = i == 1 || (c->of->backward && i == c->inputs() + 1);
      if (second_matrix) {
        place_packed(*c, &c->views[first], &c->views[i], random);
        describe(&c->tensor(first), c->views[first], shape, random);
      }
    }
    describe(&c->tensor(i), c->views[i], shape, random);
  }
}

void choose_scalars(call* c, random_source& random) {
  for (size_t i = 0; i < c->of->scalars.size(); ++i) {
    const scalar_range& rule = c->of->scalars[i];
    double& value = c->args().scalars[i];
    value = rule.count > 0 ? double(random.between(0, rule.count - 1))
                           : random.one_of<double>({0, 1e-30, 1e-6, 1e-3, 1, 1e30});
    if (rule.range == PC_POSITIVE && value == 0) value = 0.5;
    if (rule.range == PC_FINITE && rule.count == 0 && random.chance(50)) value = -value;
  }
}

// Plans the call, as a caller does who has no memory yet, and gives it the workspace that it needs.
void plan_workspace(call* c, const pc_queue* queue, random_source& random) {
  const auto before = std::make_shared<allocation>(c->block->size());
  memcpy(before->data(), c->block->data(), size_t(c->block->size()));
  for (size_t i = 0; i < c->roles.size(); ++i) c->tensor(i).data = nullptr;
  const pc_status planned = c->of->plan(queue, &c->args());
  expect(planned == PC_OK, "a valid plan has status %d", planned);
  const int64_t bytes = c->args().workspace_size;
  for (size_t i = c->inputs(); i < c->roles.size(); ++i) {
    const pc_tensor& output = c->tensor(i);
    int64_t step = 1;
    for (int32_t axis = output.rank - 1; axis >= 0; step *= output.shape[axis--])
      expect(output.strides[axis] == step, "output %zu is planned with gaps", i);
    const int64_t wanted = c->roles[i] == role::matrix   ? c->elements()
                           : c->roles[i] == role::weight ? c->order
                                                         : 1;
    expect(step == wanted, "output %zu is planned with %lld elements, not %lld", i, (long long)step,
           (long long)wanted);
  }
  c->block = before;
  c->args().workspace_size = bytes;
  c->args().workspace = nullptr;
  if (bytes == 0 && random.chance(50)) return;
  c->workspace = std::make_shared<allocation>(bytes);
  c->args().workspace = c->workspace->data();
}

}  // namespace

call make_call(const op& of, const pc_queue* queue, limits most, random_source& random) {
  call c;
  c.of = &of;
  c.dtype = random.one_of<pc_dtype>({PC_F32, PC_F16, PC_BF16});
  const shape_of shape = random_shape(of, most, random);
  c.rows = shape.rows;
  c.cols = shape.cols;
  c.order = of.coefficients() ? random.between(1, PC_MAX_ORDER) : 0;
  c.tame = most.elements > 1 << 20 || random.chance(70);  // a row out of range takes its time
  c.roles = of.inputs();
  for (role output : of.outputs()) c.roles.push_back(output);
  c.views.resize(c.roles.size());
  const int64_t size = int64_t(sizeof(pc_args) + c.roles.size() * sizeof(pc_tensor));
  c.block = std::make_shared<allocation>(size);
  pc_args& args = c.args();
  args.size = size;
  args.n_inputs = int32_t(c.inputs());
  args.n_outputs = int32_t(c.roles.size() - c.inputs());
  args.n_scalars = int32_t(of.scalars.size());
  args.reserved = 0;
  choose_scalars(&c, random);
  place_tensors(&c, shape.sizes, random);
  if (of.copies) {  // which copies what is contiguous, and nothing else
    for (size_t i = 0; i < 2; ++i) {
      c.views[i] = place(c.dtype, c.rows, c.cols, c.cols, random_offset(c.dtype, random));
      describe(&c.tensor(i), c.views[i], shape.sizes, random);
    }
  }
  for (size_t i = 0; i < c.inputs(); ++i) (c.tame ? fill_tame : fill_wild)(c.views[i], random);
  plan_workspace(&c, queue, random);
  return c;
}

std::vector<char> output_bytes(const call& c) {
  std::vector<char> bytes;
  for (size_t i = c.inputs(); i < c.views.size(); ++i) {
    const view& v = c.views[i];
    for (int64_t r = 0; v.cols > 0 && r < v.rows; ++r)
      bytes.insert(bytes.end(), v.at(r, 0), v.at(r, 0) + v.cols * item_size(v.dtype));
  }
  return bytes;
}

untouched::untouched(const call& c) : of_(c) {
  for (const view& v : c.views) before_.emplace_back(v.memory->data(), v.memory->data() + v.memory->size());
}

void untouched::check() const {
  for (size_t i = 0; i < of_.views.size(); ++i) {
    std::vector<char> wanted = before_[i];
    for (size_t j = of_.inputs(); j < of_.views.size(); ++j) {
      const view& v = of_.views[j];
      if (v.memory != of_.views[i].memory || v.cols == 0) continue;
      const int64_t bytes = v.cols * item_size(v.dtype);
      for (int64_t r = 0; r < v.rows; ++r)
        memcpy(wanted.data() + (v.at(r, 0) - v.memory->data()), v.at(r, 0), size_t(bytes));
    }
    const bool same = std::equal(wanted.begin(), wanted.end(), of_.views[i].memory->data());
    expect(same, "what is not an output of tensor %zu has changed", i);
  }
}

}  // namespace fuzz
