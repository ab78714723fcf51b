// A call of an op: its argument block, in an allocation of its own, and the memory that it names.
#pragma once
#include <vector>

#include "memory.h"
#include "ops.h"
#include "polycom.h"

namespace fuzz {

struct call {
  const op* of = nullptr;
  pc_dtype dtype = PC_F32;
  int64_t rows = 1, cols = 1, order = 0;
  bool tame = true;         // whether the values are such that results can be compared
  std::vector<role> roles;  // of the tensors, inputs first
  std::vector<view> views;  // where each lies
  std::shared_ptr<allocation> block, workspace;

  pc_args& args() const { return *reinterpret_cast<pc_args*>(block->data()); }
  pc_tensor& tensor(size_t i) const { return reinterpret_cast<pc_tensor*>(&args() + 1)[i]; }
  size_t inputs() const { return of->inputs().size(); }
  bool empty() const { return rows == 0 || cols == 0; }
  int64_t elements() const { return rows * cols; }
};

struct limits {
  int64_t elements;  // about what the larger calls have
  int64_t rows;
};

// A valid call.
call make_call(const op& of, const pc_queue* queue, limits most, random_source& random);

// The bytes of the outputs' elements, one after the other.
std::vector<char> output_bytes(const call& c);

// Expects that a call left alone whatever is not an element of an output. Made before the call.
class untouched {
 public:
  explicit untouched(const call& c);
  void check() const;

 private:
  const call& of_;
  std::vector<std::vector<char>> before_;
};

// Compares the results of a call on a device with those of a plain call on a CPU queue, and what is summed over
// rows with the rows' own shares.
void compare_with_plain(const call& c, pc_device device, pc_queue* cpu);

// Breaks a call's block, in a way that must be refused. What it names is no memory to be read or written.
// False if this way to break it is none for this call.
bool break_call(const call& c, random_source& random);

}  // namespace fuzz
