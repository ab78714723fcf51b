// A TensorFlow op: what register.cpp describes to TensorFlow, and kernel.cpp runs.
#pragma once
#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "api.h"
#include "polycom_tensorflow.h"

namespace polycom {
namespace tensorflow {

constexpr int max_tensors = 16;
constexpr int max_ops = 256;

// A tensor of a TensorFlow op: one tensor of ours, or two that lie side by side on its last axis.
struct port {
  std::string name;
  int views;
  bool integer;   // int32, else float
  bool list;      // any number of tensors: the last input may be one
  bool in_place;  // an output that is the input of its name, which the op has written: the same memory

  bool operator==(const port& other) const {
    return name == other.name && views == other.views && integer == other.integer && list == other.list &&
           in_place == other.in_place;
  }
};

// The attribute that says how many tensors a list has.
constexpr const char* count_attribute = "N";

// A number that an op takes, as a float attribute of TensorFlow's.
struct scalar {
  std::string name;
  bool has_default;
  double value;

  bool operator==(const scalar& other) const {
    return name == other.name && has_default == other.has_default && value == other.value;
  }
};

// How many tensors of ours they are; those in place are inputs.
inline int count_views(const std::vector<port>& ports) {
  int count = 0;
  for (const port& p : ports) count += p.in_place ? 0 : p.views;
  return count;
}

// A registered op. Lives as long as the process: TensorFlow keeps its kernels until exit.
struct op {
  std::string name;
  pc_run_function run;
  pc_plan_function plan;
  std::vector<port> inputs, outputs;
  std::vector<scalar> scalars;
  bool has_list() const { return !inputs.empty() && inputs.back().list; }
  bool complete = false;  // whether TensorFlow took the definition and the kernels

  bool same_as(const op& other) const {
    return run == other.run && plan == other.plan && inputs == other.inputs && outputs == other.outputs &&
           scalars == other.scalars;
  }
};

// TensorFlow's create callback has no argument of ours, so each op carries its index here as an attribute.
constexpr const char* index_attribute = "polycom_op";
extern std::array<std::atomic<op*>, max_ops> ops;

// Deletes the status that it made, however a function is left.
struct status_holder {
  TF_Status* value = tf.NewStatus();
  ~status_holder() { tf.DeleteStatus(value); }
  bool ok() const { return tf.GetCode(value) == TF_OK; }
};

// The callbacks of every op's kernels.
void* create(TF_OpKernelConstruction* construction);
void destroy(void* made);
void compute_on_cpu(void* made, TF_OpKernelContext* context);
void compute_on_gpu(void* made, TF_OpKernelContext* context);

}  // namespace tensorflow
}  // namespace polycom
