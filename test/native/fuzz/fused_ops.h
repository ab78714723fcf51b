// What the ops beside the activations take: a line of a table each.
#pragma once
#include <map>
#include <vector>

#include "polycom.h"
#include "random.h"

namespace fuzz {

// What a tensor holds: floats, of a matrix in the call's dtype; whole numbers, or such as rise.
enum class holds { f32, matrix, rising };

// A tensor: a letter an axis. The same letter is the same size in all tensors of a call; '2' is two, 'C' is 1
// or more, 'D' even, and 'P' as many positions as time 't' and the starts 's' need; 'G' is the groups 'g' and
// one more, 'o' that or with one group none, 'n' the rows 'r' and one more, 'R' the order, 'u' the columns 'c' or
// none. Whole numbers, where there are any, are from `low` up to, without, the size `below`, or any if that is
// '*'.
struct shape {
  const char* axes;
  char below = 0;
  int32_t low = 0;
  holds what = holds::f32;

  bool integer() const { return below != 0; }
  bool ranged() const { return integer() && below != '*'; }
};

constexpr shape matrix(const char* axes) { return {axes, 0, 0, holds::matrix}; }
constexpr shape offsets = {"o", 'n', 0, holds::rising};

using size_map = std::map<char, int64_t>;

struct pass {
  std::vector<shape> inputs, outputs;
  int scalars = 0;
  bool strided = false;  // whether inputs need not be contiguous, but for their last axis
  void (*choose)(double* scalars, const size_map& sizes, random_source& random) = nullptr;
};

struct fused_op {
  const char* name;
  pc_status (*run)(pc_queue*, const pc_args*);
  pc_status (*plan)(const pc_queue*, pc_args*);
  pass takes;
};

// Every op of PC_TRANSFORMER_OPS, and the roofs of the benchmarks.
const std::vector<fused_op>& fused_ops();

double any_epsilon(random_source& random);

}  // namespace fuzz
