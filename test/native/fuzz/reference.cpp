// The activations again, each as its definition reads, in double; gradients are differences of it.
#include <algorithm>

#include "call.h"
#include "report.h"

namespace fuzz {
namespace {

double polynomial(const std::vector<double>& weight, double bias, double s) {
  double y = 0;
  for (double w : weight) y = (y + w) * s;
  return y + bias;
}

struct reference {
  const call& of;
  std::vector<double> x, up, weight, dy;
  double bias = 0;

  explicit reference(const call& c) : of(c) {
    size_t next = 0;
    x = values(c.views[next++]);
    if (c.of->gated()) up = values(c.views[next++]);
    if (c.of->coefficients()) {
      weight = values(c.views[next++]);
      bias = read(c.views[next++], 0, 0);
    }
    if (c.of->backward) dy = values(c.views[next]);
  }

  bool is(const char* name) const {
    const size_t length = strlen(name);
    return strncmp(of.of->name, name, length) == 0 && of.of->name[length] == '_';
  }

  double element(double v) const {
    const double part = std::max(v, 0.0);
    if (of.of->copies) return v;
    if (of.of->coefficients()) return polynomial(weight, bias, part);
    if (is("relu") || is("reglu")) return part;
    if (is("relu2")) return part * part;
    if (is("silu") || is("swiglu")) return v / (1 + exp(-v));
    expect(is("gelu") || is("geglu"), "there is no reference for this op");
    if (of.args().scalars[0] == 0) return v * erfc(-v / sqrt(2)) / 2;
    return v * (1 + tanh(sqrt(2 / M_PI) * (v + 0.044715 * v * v * v))) / 2;
  }

  std::vector<double> row(int64_t r) const {
    const size_t from = size_t(r * of.cols), n = size_t(of.cols);
    std::vector<double> y(n);
    if (of.of->rowwise()) {
      const size_t order = weight.size();
      for (size_t p = 1; p <= order; ++p) {
        double sum = 0;
        for (size_t i = 0; i < n; ++i) sum += pow(x[from + i], double(2 * p));
        if (of.args().scalars[1] == 0) sum /= double(n);
        const double root = sqrt(sum + of.args().scalars[0]);
        for (size_t i = 0; i < n; ++i) y[i] += weight[order - p] * pow(x[from + i], double(p)) / root;
      }
      for (double& value : y) value += bias;
    } else {
      for (size_t i = 0; i < n; ++i) y[i] = element(x[from + i]);
    }
    if (of.of->gated()) {
      for (size_t i = 0; i < n; ++i) y[i] *= up[from + i];
    }
    return y;
  }

  // Of what is derived: sum of dy y over a row.
  double loss(int64_t r) const {
    const std::vector<double> y = row(r);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += dy[size_t(r * of.cols) + i] * y[i];
    return sum;
  }
};

double derivative(const reference& f, double* variable, int64_t row) {
  constexpr double step = 1e-4;
  const double value = *variable;
  *variable = value + step;
  const double above = f.loss(row);
  *variable = value - step;
  const double below = f.loss(row);
  *variable = value;
  return (above - below) / (2 * step);
}

void expect_near(const view& v, int64_t row, int64_t col, double wanted, const char* name) {
  const double got = read(v, row, col), epsilon = v.dtype == PC_F32 ? 1e-4 : v.dtype == PC_F16 ? 2e-3 : 1e-2;
  expect(fabs(got - wanted) <= epsilon * fabs(wanted) + 1e-3, "%s[%lld, %lld] is %.9g; expected %.9g", name,
         (long long)row, (long long)col, got, wanted);
}

void compare_forward(const reference& f) {
  const call& c = f.of;
  for (int64_t r = 0; r < c.rows; ++r) {
    const std::vector<double> y = f.row(r);
    for (int64_t i = 0; i < c.cols; ++i) expect_near(c.views[c.inputs()], r, i, y[size_t(i)], "y");
  }
}

void compare_elements(reference* f, random_source& random) {
  const call& c = f->of;
  for (int i = 0; i < 4; ++i) {
    const int64_t row = random.between(0, c.rows - 1), col = random.between(0, c.cols - 1);
    const size_t at = size_t(row * c.cols + col);
    expect_near(c.views[c.inputs()], row, col, derivative(*f, &f->x[at], row), "dx");
    if (c.of->gated()) expect_near(c.views[c.inputs() + 1], row, col, derivative(*f, &f->up[at], row), "dup");
  }
}

// y is linear in the coefficients: the gradient of one is the sum of dy y with that one 1 and the others 0.
void compare_coefficient(reference* f, double* coefficient, const view& v, int64_t at, const char* name) {
  std::fill(f->weight.begin(), f->weight.end(), 0);
  f->bias = 0;
  *coefficient = 1;
  double gradient = 0, magnitude = 0;
  for (int64_t r = 0; r < f->of.rows; ++r) {
    const std::vector<double> y = f->row(r);
    for (size_t i = 0; i < y.size(); ++i) {
      const double term = f->dy[size_t(r * f->of.cols) + i] * y[i];
      gradient += term;
      magnitude += fabs(term);
    }
  }
  const double got = read(v, 0, at);
  expect(fabs(got - gradient) <= 2e-5 * magnitude, "%s[%lld] is %.9g; expected %.9g", name, (long long)at,
         got, gradient);
}

}  // namespace

void compare_with_doubles(const call& c, random_source& random) {
  reference f(c);
  if (!c.of->backward) return compare_forward(f);
  if (!c.empty()) compare_elements(&f, random);
  if (!c.of->coefficients()) return;
  const size_t dweight = c.inputs() + (c.of->gated() ? 2 : 1);
  for (size_t p = 0; p < f.weight.size(); ++p)
    compare_coefficient(&f, &f.weight[p], c.views[dweight], int64_t(p), "dweight");
  compare_coefficient(&f, &f.bias, c.views[dweight + 1], 0, "dbias");
}

}  // namespace fuzz
