// Ways to break a valid call, each of which must be refused.
#include <limits.h>

#include "call.h"

namespace fuzz {
namespace {

constexpr int64_t odd_sizes[] = {-1, INT64_MIN, INT64_MAX, 1ll << 62, 1ll << 60, INT32_MIN};

int64_t odd_size(random_source& random) { return odd_sizes[random.between(0, 5)]; }

int32_t other_count(int32_t right, random_source& random) {
  const int32_t wrong =
      random.one_of({right + 1, right - 1, -1, 0, 1024, INT_MAX, INT_MIN, int(random.bits())});
  return wrong == right ? right + 2 : wrong;
}

size_t any_tensor(const call& c, random_source& random) {
  return size_t(random.between(0, int64_t(c.roles.size()) - 1));
}

// A tensor whose shape must be the others'.
size_t any_matrix(const call& c, random_source& random) {
  for (;;) {
    const size_t i = any_tensor(c, random);
    if (c.roles[i] == role::matrix) return i;
  }
}

bool counts(const call& c, random_source& random) {
  pc_args& args = c.args();
  int32_t* const fields[] = {&args.n_inputs, &args.n_outputs, &args.n_scalars};
  int32_t& field = *fields[random.between(0, 2)];
  field = other_count(field, random);
  return true;
}

bool block_size(const call& c, random_source& random) {
  const int64_t size = c.args().size;
  c.args().size = random.one_of<int64_t>({0, -1, size - 1, size + 1, size + 144, INT64_MAX, INT64_MIN});
  return true;
}

bool dtype(const call& c, random_source& random) {
  const pc_dtype wrong = random.one_of<pc_dtype>({-1, 3, 7, INT_MAX, INT_MIN});
  if (random.chance(30)) {
    for (size_t i = 0; i < c.roles.size(); ++i) c.tensor(i).dtype = wrong;
    return true;
  }
  pc_dtype& one = c.tensor(any_tensor(c, random)).dtype;
  one = random.chance(50) ? wrong : (one + 1) % 3;
  return true;
}

bool rank(const call& c, random_source& random) {
  int32_t& one = c.tensor(any_matrix(c, random)).rank;
  one = other_count(one, random);
  return true;
}

bool every_rank(const call& c, random_source& random) {
  const int32_t wrong = random.one_of({-1, 9, INT_MAX, INT_MIN});
  for (size_t i = 0; i < c.roles.size(); ++i) c.tensor(i).rank = wrong;
  return true;
}

bool size(const call& c, random_source& random) {
  pc_tensor& t = c.tensor(any_matrix(c, random));
  if (t.rank == 0) return false;
  int64_t& one = t.shape[random.between(0, t.rank - 1)];
  one = random.chance(50) ? odd_size(random) : random.chance(50) ? one + 1 : one == 0 ? 1 : 0;
  return true;
}

// All matrices the same, and still impossible.
bool every_size(const call& c, random_source& random) {
  const int32_t rank = c.tensor(0).rank;
  if (rank == 0) return false;
  const int64_t axis = random.between(0, rank - 1), wrong = odd_size(random);
  for (size_t i = 0; i < c.roles.size(); ++i) {
    if (c.roles[i] == role::matrix) c.tensor(i).shape[axis] = wrong;
  }
  return true;
}

bool negative_stride(const call& c, random_source& random) {
  pc_tensor& t = c.tensor(any_tensor(c, random));
  if (t.rank == 0) return false;
  t.strides[random.between(0, t.rank - 1)] = random.one_of<int64_t>({-1, INT64_MIN, -4096});
  return true;
}

bool far_stride(const call& c, random_source& random) {
  pc_tensor& t = c.tensor(any_tensor(c, random));
  for (int32_t i = 0; i < t.rank; ++i) {
    if (t.shape[i] <= 1) continue;
    t.strides[i] = random.one_of<int64_t>({INT64_MAX, 1ll << 62, 1ll << 61});
    return true;
  }
  return false;
}

bool gaps_in_a_row(const call& c, random_source& random) {
  pc_tensor& t = c.tensor(any_tensor(c, random));
  if (t.rank == 0 || t.shape[t.rank - 1] <= 1 || c.empty()) return false;
  t.strides[t.rank - 1] = random.one_of<int64_t>({0, 2, 100});
  return true;
}

// The two innermost axes that are longer than 1, of the rows' axes or of all.
bool two_axes(const pc_tensor& t, int32_t from, int32_t* inner, int32_t* outer) {
  *inner = *outer = -1;
  for (int32_t i = from; i >= 0; --i) {
    if (t.shape[i] <= 1) continue;
    if (*inner >= 0) {
      *outer = i;
      return true;
    }
    *inner = i;
  }
  return false;
}

bool folded_output(const call& c, random_source& random) {
  const size_t i = size_t(random.between(int64_t(c.inputs()), int64_t(c.roles.size()) - 1));
  int32_t inner, outer;
  pc_tensor& t = c.tensor(i);
  if (c.empty() || !two_axes(t, t.rank - 1, &inner, &outer)) return false;
  t.strides[outer] = random.between(0, t.strides[inner] * t.shape[inner] - 1);
  return true;
}

bool uneven_rows(const call& c, random_source& random) {
  int32_t inner, outer;
  pc_tensor& t = c.tensor(any_matrix(c, random));
  if (c.empty() || !two_axes(t, t.rank - 2, &inner, &outer)) return false;
  t.strides[outer] += random.between(1, 50);
  return true;
}

bool null_data(const call& c, random_source& random) {
  const size_t i = any_tensor(c, random);
  if (c.roles[i] == role::matrix && c.empty()) return false;
  c.tensor(i).data = nullptr;
  return true;
}

bool misaligned_data(const call& c, random_source& random) {
  const size_t i = any_tensor(c, random);
  if (c.roles[i] == role::matrix && c.empty()) return false;
  c.tensor(i).data = static_cast<char*>(c.tensor(i).data) + 1;
  return true;
}

bool workspace(const call& c, random_source& random) {
  pc_args& args = c.args();
  if (args.workspace_size == 0) return false;
  switch (random.between(0, 2)) {
    case 0:
      args.workspace = nullptr;
      return true;
    case 1:
      args.workspace = static_cast<char*>(args.workspace) + random.one_of({1, 4, 8});
      return true;
    default:
      args.workspace_size =
          random.one_of<int64_t>({args.workspace_size - 1, args.workspace_size - 8, 0, -1, INT64_MIN});
      return true;
  }
}

bool scalar(const call& c, random_source& random) {
  const std::vector<scalar_range>& all = c.of->scalars;
  if (all.empty()) return false;
  const size_t which = size_t(random.between(0, int64_t(all.size()) - 1));
  double& value = c.args().scalars[which];
  if (all[which].count > 0) {
    value = random.one_of<double>({NAN, INFINITY, -INFINITY, -1, 0.5, 3, 1e308});
  } else if (all[which].range == PC_FINITE) {
    value = random.one_of<double>({NAN, INFINITY, -INFINITY, 1e39, 1e308});
  } else {
    value = random.one_of<double>({NAN, INFINITY, -INFINITY, -1, -1e-300, 1e39, 1e308});
  }
  return true;
}

// An order that no kernel has, or gradients of another order than the weight's.
bool order(const call& c, random_source& random) {
  const size_t weight = c.of->gated() ? 2 : 1, dweight = c.inputs() + weight;
  if (!c.of->coefficients() || c.roles[weight] != role::weight) return false;
  const int64_t wrong = random.chance(50) ? odd_size(random) : random.one_of<int64_t>({0, 5, 1024});
  if (!c.of->backward || random.chance(50)) {
    c.tensor(weight).shape[0] = wrong;
    if (c.of->backward && random.chance(50)) c.tensor(dweight).shape[0] = wrong;
    return true;
  }
  c.tensor(dweight).shape[0] = random.chance(50) ? wrong : c.order % PC_MAX_ORDER + 1;
  return true;
}

bool bias(const call& c, random_source& random) {
  if (!c.of->coefficients()) return false;
  const size_t i = (random.chance(50) && c.of->backward ? c.inputs() : 0) + (c.of->gated() ? 3 : 2);
  c.tensor(i).rank = 1;
  c.tensor(i).shape[0] = random.one_of<int64_t>({0, 2, -1, INT64_MAX});
  c.tensor(i).strides[0] = 1;
  return true;
}

}  // namespace

bool break_call(const call& c, random_source& random) {
  bool (*const ways[])(const call&, random_source&) = {
      counts,     block_size, dtype,           rank,           every_rank, size,          every_size,
      far_stride, null_data,  misaligned_data, workspace,      scalar,     folded_output, uneven_rows,
      order,      bias,       gaps_in_a_row,   negative_stride};
  return ways[random.between(0, int64_t(sizeof ways / sizeof *ways) - 1)](c, random);
}

}  // namespace fuzz
