// TensorFlow ops out of this library's ops: their names, definitions and registrations.
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "op.h"
#include "runtime/error.h"

namespace polycom {
namespace tensorflow {
namespace {

int n_ops = 0;
bool on_gpu = false;
std::mutex registering;

std::vector<std::string> split(const char* names) {
  std::vector<std::string> parts;
  const std::string text = names == nullptr ? "" : names;
  for (size_t from = 0; from < text.size();) {
    size_t to = text.find(',', from);
    if (to == std::string::npos) to = text.size();
    parts.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

// "gate+up" becomes the port gate_up, of two views; "ids:i32" holds whole numbers; "tensors*" is a list; "=cache" is
// the input of that name again.
std::vector<port> ports(const char* names) {
  const std::string integer = ":i32";
  std::vector<port> made;
  for (std::string& name : split(names)) {
    const bool in_place = !name.empty() && name.front() == '=';
    if (in_place) name.erase(0, 1);
    const bool is_list = !name.empty() && name.back() == '*';
    if (is_list) name.pop_back();
    const bool is_integer = name.size() > integer.size() &&
                            name.compare(name.size() - integer.size(), integer.size(), integer) == 0;
    if (is_integer) name.resize(name.size() - integer.size());
    const size_t plus = name.find('+');
    if (plus != std::string::npos) name[plus] = '_';
    made.push_back({name, plus == std::string::npos ? 1 : 2, is_integer, is_list, in_place});
  }
  return made;
}

// "epsilon=1e-6" has a default. What is no number stays in the name, which is then no name.
std::vector<scalar> scalars_of(const char* names) {
  std::vector<scalar> made;
  for (const std::string& name : split(names)) {
    const size_t equals = name.find('=');
    char* end = nullptr;
    const double value = equals == std::string::npos ? 0 : strtod(name.c_str() + equals + 1, &end);
    const bool has_default = end != nullptr && *end == '\0' && end[-1] != '=' && std::isfinite(value);
    made.push_back({has_default ? name.substr(0, equals) : name, has_default, value});
  }
  return made;
}

std::string attribute_of(const scalar& s) {
  if (!s.has_default) return s.name + ": float";
  char text[64];
  snprintf(text, sizeof text, ": float = %.9g", s.value);
  return s.name + text;
}

std::string type_of(const port& p) {
  const std::string type = p.integer ? "int32" : "float";
  return p.list ? std::string(": ") + count_attribute + " * " + type : ": " + type;
}

// TensorFlow wants each name once.
std::string tensorflow_name(const port& p) { return p.in_place ? p.name + "_written" : p.name; }

pc_status define(const op& made, int index, TF_Status* status) {
  TF_OpDefinitionBuilder* builder = tf.NewOpDefinitionBuilder(made.name.c_str());
  const std::string mark = std::string(index_attribute) + ": int = " + std::to_string(index);
  tf.OpDefinitionBuilderAddAttr(builder, mark.c_str());
  for (const scalar& s : made.scalars) tf.OpDefinitionBuilderAddAttr(builder, attribute_of(s).c_str());
  if (made.has_list()) {
    const std::string count = std::string(count_attribute) + ": int >= 0";
    tf.OpDefinitionBuilderAddAttr(builder, count.c_str());
  }
  for (const port& input : made.inputs)
    tf.OpDefinitionBuilderAddInput(builder, (input.name + type_of(input)).c_str());
  for (const port& output : made.outputs)
    tf.OpDefinitionBuilderAddOutput(builder, (tensorflow_name(output) + type_of(output)).c_str());
  tf.RegisterOpDefinition(builder, status);  // takes the builder
  if (tf.GetCode(status) == TF_OK) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "tensorflow: cannot define %s: %s", made.name.c_str(), tf.Message(status));
}

pc_status add_kernel(const op& made, const char* device, compute_function compute, TF_Status* status) {
  TF_KernelBuilder* builder = tf.NewKernelBuilder(made.name.c_str(), device, create, compute, destroy);
  tf.RegisterKernelBuilder((made.name + device).c_str(), builder, status);  // takes the builder
  if (tf.GetCode(status) == TF_OK) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "tensorflow: cannot register %s on %s: %s", made.name.c_str(), device,
              tf.Message(status));
}

// TensorFlow aborts the process for a name that it does not take.
bool is_name(const std::string& text, bool of_op) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto may_follow = [&](char c) {
    return is_lower(c) || (of_op && is_upper(c)) || c == '_' || (c >= '0' && c <= '9');
  };
  return !text.empty() && (of_op ? is_upper(text[0]) : is_lower(text[0])) &&
         std::all_of(text.begin(), text.end(), may_follow);
}

pc_status check_names(const op& described) {
  const char* name = described.name.c_str();
  if (!is_name(described.name, true))
    return fail(PC_INVALID_ARGUMENT, "tensorflow_register: '%s' is no name of an op; expected CamelCase",
                name);
  std::vector<std::string> names = {index_attribute};
  for (const scalar& s : described.scalars) names.push_back(s.name);
  for (const auto* ports : {&described.inputs, &described.outputs}) {
    for (const port& p : *ports) names.push_back(tensorflow_name(p));
  }
  std::sort(names.begin(), names.end());
  for (size_t i = 0; i < names.size(); ++i) {
    if (is_name(names[i], false) && (i == 0 || names[i] != names[i - 1])) continue;
    return fail(
        PC_INVALID_ARGUMENT,
        "tensorflow_register: %s has a tensor or scalar named '%s'; expected lowercase words, each once",
        name, names[i].c_str());
  }
  return PC_OK;
}

// A list only as the last input, of plain floats.
pc_status check_lists(const op& described) {
  const size_t last = described.inputs.size() - 1;
  for (size_t i = 0; i < described.inputs.size(); ++i) {
    const port& p = described.inputs[i];
    if (described.has_list() && p.views != 1)
      return fail(PC_INVALID_ARGUMENT,
                  "tensorflow_register: %s has a list and the two views '%s'; expected one",
                  described.name.c_str(), p.name.c_str());
    if (p.list && (i != last || p.integer))
      return fail(PC_INVALID_ARGUMENT, "tensorflow_register: %s has a list '%s'; expected it last, of floats",
                  described.name.c_str(), p.name.c_str());
  }
  for (const port& p : described.outputs) {
    if (p.list && !p.in_place)
      return fail(PC_INVALID_ARGUMENT, "tensorflow_register: %s gives a list '%s'; expected none",
                  described.name.c_str(), p.name.c_str());
  }
  return PC_OK;
}

// What is written in place is an input, of floats.
pc_status check_in_place(const op& described) {
  for (const port& p : described.inputs) {
    if (p.in_place)
      return fail(PC_INVALID_ARGUMENT, "tensorflow_register: %s has an input '=%s'; expected no '='",
                  described.name.c_str(), p.name.c_str());
  }
  for (const port& p : described.outputs) {
    const auto is_it = [&](const port& input) {
      return input.name == p.name && input.list == p.list && input.views == p.views && !input.integer;
    };
    if (!p.in_place) continue;
    if (!std::any_of(described.inputs.begin(), described.inputs.end(), is_it))
      return fail(PC_INVALID_ARGUMENT,
                  "tensorflow_register: %s gives '=%s', which is none of its inputs of floats",
                  described.name.c_str(), p.name.c_str());
    if (p.list && &p != &described.outputs.back())
      return fail(PC_INVALID_ARGUMENT, "tensorflow_register: %s gives a list '=%s'; expected it last",
                  described.name.c_str(), p.name.c_str());
  }
  return PC_OK;
}

pc_status check_free(const char* name) {
  status_holder status;
  TF_Buffer* kernels = tf.GetRegisteredKernelsForOp(name, status.value);
  const bool taken = kernels != nullptr && kernels->length > 0;
  if (kernels != nullptr) tf.DeleteBuffer(kernels);
  if (!taken) return PC_OK;
  return fail(PC_INVALID_ARGUMENT, "tensorflow_register: TensorFlow has an op %s that is not this library's",
              name);
}

pc_status give_to_tensorflow(const op& made, int index) {
  status_holder status;
  if (pc_status failed = define(made, index, status.value)) return failed;
  if (pc_status failed = add_kernel(made, "CPU", compute_on_cpu, status.value)) return failed;
  return on_gpu ? add_kernel(made, "GPU", compute_on_gpu, status.value) : PC_OK;
}

pc_status register_op(const op& described) {
  const char* name = described.name.c_str();
  if (tf.NewStatus == nullptr) {
    return fail(PC_INVALID_ARGUMENT, "tensorflow_register: %s came before pc_tensorflow_attach", name);
  }
  if (pc_status status = check_names(described)) return status;
  if (pc_status status = check_lists(described)) return status;
  if (pc_status status = check_in_place(described)) return status;
  for (int i = 0; i < n_ops; ++i) {
    const op* known = ops[size_t(i)].load();
    if (known->name != described.name) continue;
    if (known->complete && known->same_as(described)) return PC_OK;
    return fail(
        PC_INVALID_ARGUMENT, "tensorflow_register: %s %s", name,
        known->complete ? "is registered, with other functions, tensors or scalars" : "has failed before");
  }
  const int n_tensors = count_views(described.inputs) + count_views(described.outputs);
  if (n_tensors > max_tensors || described.scalars.size() > PC_MAX_SCALARS || n_ops == max_ops) {
    return fail(
        PC_INVALID_ARGUMENT,
        "tensorflow_register: %s is op %d with %d tensors and %zu scalars; expected at most %d, %d and %d",
        name, n_ops + 1, n_tensors, described.scalars.size(), max_ops, max_tensors, PC_MAX_SCALARS);
  }
  if (pc_status status = check_free(name)) return status;
  // Never freed, registered or not: TensorFlow may hold what was registered of it.
  op* made = new op(described);
  const int index = n_ops++;
  ops[size_t(index)].store(made);
  const pc_status status = give_to_tensorflow(*made, index);
  made->complete = status == PC_OK;
  return status;
}

}  // namespace
}  // namespace tensorflow
}  // namespace polycom

using namespace polycom;
using namespace polycom::tensorflow;

pc_status pc_tensorflow_attach(const char* libraries) {
  if (libraries == nullptr) return fail(PC_INVALID_ARGUMENT, "tensorflow_attach: no libraries are named");
  std::lock_guard<std::mutex> lock(registering);
  try {
    return tf.NewStatus == nullptr ? find_api(libraries) : PC_OK;
  } catch (const std::bad_alloc&) {
    return fail(PC_OUT_OF_MEMORY, "tensorflow_attach: no memory for the libraries' names");
  }
}

pc_status pc_tensorflow_use_gpu() {
  // At least one: a count of none is to be told as what keeps them away.
  const int32_t count = std::max(pc_device_count(PC_CUDA), 1);
  for (int32_t i = 0; i < count; ++i) {
    if (pc_status status = pc_device_check(PC_CUDA, i)) return status;
  }
  std::lock_guard<std::mutex> lock(registering);
  on_gpu = true;
  return PC_OK;
}

pc_status pc_tensorflow_register(const char* name, pc_run_function run, pc_plan_function plan,
                                 const char* inputs, const char* outputs, const char* scalars) {
  if (name == nullptr || run == nullptr || plan == nullptr) {
    return fail(PC_INVALID_ARGUMENT, "tensorflow_register: the name or a function is null");
  }
  std::lock_guard<std::mutex> lock(registering);
  try {
    return register_op({name, run, plan, ports(inputs), ports(outputs), scalars_of(scalars), false});
  } catch (const std::bad_alloc&) {
    return fail(PC_OUT_OF_MEMORY, "tensorflow_register: no memory for %s", name);
  }
}
