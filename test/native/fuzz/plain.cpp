// A call beside the plainest one of the same values: f32, contiguous, gate and up apart, on a CPU queue, which
// the package's other tests hold against f64. Where a call is of f32 on the CPU too, the bits of its matrices must
// be the same.
#include <algorithm>

#include "call.h"
#include "report.h"

namespace fuzz {
namespace {

void make_contiguous(pc_tensor* t, const view& v) {
  t->data = v.data();
  t->dtype = PC_F32;
  int64_t step = 1;
  for (int32_t axis = t->rank - 1; axis >= 0; step *= t->shape[axis--]) t->strides[axis] = step;
}

// The rows `first` to `past - 1` of a call, or all of it, as floats.
call plain_of(const call& c, int64_t first, int64_t past, bool whole) {
  call p = c;
  p.dtype = PC_F32;
  p.rows = past - first;
  p.block = std::make_shared<allocation>(c.block->size());
  memcpy(p.block->data(), c.block->data(), size_t(c.block->size()));
  p.args().workspace = nullptr;
  for (size_t i = 0; i < c.roles.size(); ++i) {
    const view& from = c.views[i];
    const bool cut = c.roles[i] == role::matrix && !whole;
    const int64_t begin = cut ? first : 0, rows = cut ? p.rows : from.rows;
    view& to = p.views[i] = place(PC_F32, rows, from.cols, from.cols, 0);
    for (int64_t r = 0; i < c.inputs() && r < rows; ++r) {
      for (int64_t k = 0; k < from.cols; ++k) write(to, r, k, read(from, begin + r, k));
    }
    pc_tensor& t = p.tensor(i);
    if (cut) {
      t.rank = 2;
      t.shape[0] = rows;
      t.shape[1] = from.cols;
    }
    make_contiguous(&t, to);
  }
  return p;
}

void run_plain(call* p, pc_queue* cpu) {
  expect(p->of->plan(cpu, &p->args()) == PC_OK, "a plain call is not planned");
  for (size_t i = p->inputs(); i < p->roles.size(); ++i) make_contiguous(&p->tensor(i), p->views[i]);
  p->workspace = std::make_shared<allocation>(p->args().workspace_size);
  p->args().workspace = p->workspace->data();
  expect(p->of->run(cpu, &p->args()) == PC_OK, "a plain call fails");
}

void expect_near(const view& v, const view& wanted, bool exact, size_t output) {
  const double epsilon = v.dtype == PC_F32 ? 1e-4 : v.dtype == PC_F16 ? 2e-3 : 1e-2;
  const double most = v.dtype == PC_F16 ? 65504 : 3.38e38;
  for (int64_t r = 0; r < v.rows; ++r) {
    for (int64_t i = 0; i < v.cols; ++i) {
      const double got = read(v, r, i), right = read(wanted, r, i);
      // Scalars may be so large that a result is beyond f16, or beyond f32.
      const bool same = isnan(right) ? isnan(got) : got == right && signbit(got) == signbit(right);
      const bool beyond = isinf(got) && signbit(got) == signbit(right) && fabs(right) > most;
      const bool near = same || (!exact && (beyond || fabs(got - right) <= epsilon * fabs(right) + 1e-3));
      expect(near, "output %zu[%lld, %lld] is %.9g; expected %.9g", output, (long long)r, (long long)i, got,
             right);
    }
  }
}

// Sums over rows: they must be those of the rows one by one. A row's own share may cancel, as far as floats do.
void compare_sums(const call& c, pc_queue* cpu) {
  std::vector<std::vector<double>> sums(c.roles.size()), sizes(c.roles.size());
  for (int64_t row = 0; row < c.rows; ++row) {
    call one = plain_of(c, row, row + 1, false);
    run_plain(&one, cpu);
    for (size_t i = c.inputs(); i < c.roles.size(); ++i) {
      if (c.roles[i] == role::matrix) continue;
      const std::vector<double> share = values(one.views[i]);
      sums[i].resize(share.size());
      sizes[i].resize(share.size());
      for (size_t k = 0; k < share.size(); ++k) {
        sums[i][k] += share[k];
        sizes[i][k] += fabs(share[k]);
      }
    }
  }
  for (size_t i = c.inputs(); i < c.roles.size(); ++i) {
    for (size_t k = 0; k < sums[i].size(); ++k) {
      const double got = read(c.views[i], 0, int64_t(k));
      expect(fabs(got - sums[i][k]) <= 2e-5 * sizes[i][k] + 1e-3, "output %zu[%zu] is %.9g; its rows' are %.9g",
             i - c.inputs(), k, got, sums[i][k]);
    }
  }
}

}  // namespace

void compare_with_plain(const call& c, pc_device device, pc_queue* cpu) {
  call p = plain_of(c, 0, c.rows, true);
  run_plain(&p, cpu);
  const bool exact = device == PC_CPU && c.dtype == PC_F32;
  for (size_t i = c.inputs(); i < c.roles.size(); ++i) {
    if (c.roles[i] == role::matrix) expect_near(c.views[i], p.views[i], exact, i - c.inputs());
  }
  if (c.of->backward && c.of->coefficients() && c.elements() <= 1 << 12) compare_sums(c, cpu);
}

}  // namespace fuzz
