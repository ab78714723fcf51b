// Finds TensorFlow's C API in the process.
#include "api.h"

#include <dlfcn.h>

#include <string>
#include <vector>

#include "runtime/error.h"

namespace polycom {
namespace tensorflow {

api tf;

namespace {

// Handles of those of the named libraries that are loaded already. None is loaded by this.
std::vector<void*> loaded_libraries(const std::string& names) {
  std::vector<void*> handles;
  for (size_t from = 0; from < names.size();) {
    size_t to = names.find('\n', from);
    if (to == std::string::npos) to = names.size();
    const std::string name = names.substr(from, to - from);
    if (void* handle = name.empty() ? nullptr : dlopen(name.c_str(), RTLD_NOLOAD | RTLD_LAZY))
      handles.push_back(handle);
    from = to + 1;
  }
  return handles;
}

void* find(const std::vector<void*>& handles, const char* symbol) {
  for (void* handle : handles) {
    if (void* address = dlsym(handle, symbol)) return address;
  }
  return nullptr;
}

}  // namespace

pc_status find_api(const char* libraries) {
  const std::vector<void*> handles = loaded_libraries(libraries);
  if (handles.empty())
    return fail(PC_UNSUPPORTED, "tensorflow: this process has loaded none of its libraries");
  api found{};
#define PC_FIND(result, name, parameters)                                          \
  found.name = reinterpret_cast<result(*) parameters>(find(handles, "TF_" #name)); \
  if (found.name == nullptr) return fail(PC_UNSUPPORTED, "tensorflow: its libraries have no TF_" #name);
  PC_TENSORFLOW_API(PC_FIND)
#undef PC_FIND
  tf = found;
  return PC_OK;
}

}  // namespace tensorflow
}  // namespace polycom
