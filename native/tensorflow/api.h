// The part of TensorFlow's C API that is used here (tensorflow/c: c_api.h, ops.h, kernels.h), as a table
// filled by dlsym: their headers do not compile as C or pull in C++ ones,
// and a link would tie the library to a TensorFlow.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "polycom.h"

struct TF_Status;
struct TF_Tensor;
struct TF_OpDefinitionBuilder;
struct TF_KernelBuilder;
struct TF_OpKernelConstruction;
struct TF_OpKernelContext;
struct TF_Buffer {
  const void* data;
  size_t length;
  void (*deallocate)(void* data, size_t length);
};

namespace polycom {
namespace tensorflow {

enum code {
  TF_OK = 0,
  TF_INVALID_ARGUMENT = 3,
  TF_RESOURCE_EXHAUSTED = 8,
  TF_FAILED_PRECONDITION = 9,
  TF_UNIMPLEMENTED = 12,
  TF_INTERNAL = 13
};
enum data_type { TF_FLOAT = 1, TF_INT32 = 3, TF_UINT8 = 4 };

struct allocator_attributes {  // TF_AllocatorAttributes
  size_t struct_size;
  unsigned char on_host;
};

using create_function = void* (*)(TF_OpKernelConstruction*);
using compute_function = void (*)(void* kernel, TF_OpKernelContext*);
using delete_function = void (*)(void* kernel);

// X(result, name, parameters)
#define PC_TENSORFLOW_API(X)                                                                                \
  X(TF_Status*, NewStatus, ())                                                                              \
  X(void, DeleteStatus, (TF_Status*))                                                                       \
  X(int, GetCode, (const TF_Status*))                                                                       \
  X(const char*, Message, (const TF_Status*))                                                               \
  X(void, SetStatus, (TF_Status*, int code, const char* message))                                           \
  X(TF_OpDefinitionBuilder*, NewOpDefinitionBuilder, (const char* name))                                    \
  X(void, OpDefinitionBuilderAddInput, (TF_OpDefinitionBuilder*, const char*))                              \
  X(void, OpDefinitionBuilderAddOutput, (TF_OpDefinitionBuilder*, const char*))                             \
  X(void, OpDefinitionBuilderAddAttr, (TF_OpDefinitionBuilder*, const char*))                               \
  X(void, RegisterOpDefinition, (TF_OpDefinitionBuilder*, TF_Status*))                                      \
  X(TF_KernelBuilder*, NewKernelBuilder,                                                                    \
    (const char* op, const char* device, create_function, compute_function, delete_function))               \
  X(void, RegisterKernelBuilder, (const char* name, TF_KernelBuilder*, TF_Status*))                         \
  X(TF_Buffer*, GetRegisteredKernelsForOp, (const char* op, TF_Status*))                                    \
  X(void, DeleteBuffer, (TF_Buffer*))                                                                       \
  X(void, OpKernelConstruction_GetAttrInt64, (TF_OpKernelConstruction*, const char*, int64_t*, TF_Status*)) \
  X(void, OpKernelConstruction_GetAttrFloat, (TF_OpKernelConstruction*, const char*, float*, TF_Status*))   \
  X(void, OpKernelConstruction_Failure, (TF_OpKernelConstruction*, TF_Status*))                             \
  X(void, OpKernelContext_Failure, (TF_OpKernelContext*, TF_Status*))                                       \
  X(int, NumInputs, (TF_OpKernelContext*))                                                                  \
  X(void, GetInput, (TF_OpKernelContext*, int, TF_Tensor**, TF_Status*))                                    \
  X(TF_Tensor*, AllocateOutput,                                                                             \
    (TF_OpKernelContext*, int, int type, const int64_t* shape, int rank, size_t bytes, TF_Status*))         \
  X(void, SetOutput, (TF_OpKernelContext*, int, const TF_Tensor*, TF_Status*))                              \
  X(TF_Tensor*, AllocateTemp,                                                                               \
    (TF_OpKernelContext*, int type, const int64_t* shape, int rank, allocator_attributes*, TF_Status*))     \
  X(int, TensorType, (const TF_Tensor*))                                                                    \
  X(int, NumDims, (const TF_Tensor*))                                                                       \
  X(int64_t, Dim, (const TF_Tensor*, int))                                                                  \
  X(void*, TensorData, (const TF_Tensor*))                                                                  \
  X(void, DeleteTensor, (TF_Tensor*))                                                                       \
  X(void*, GetStream, (TF_OpKernelContext*, TF_Status*))                                                    \
  X(int, GetDeviceId, (TF_OpKernelContext*))

struct api {
#define PC_MEMBER(result, name, parameters) result(*name) parameters;
  PC_TENSORFLOW_API(PC_MEMBER)
#undef PC_MEMBER
};

// The table. Filled by find_api; empty before.
extern api tf;

// Fills the table from the loaded libraries named in `libraries`, one a line.
pc_status find_api(const char* libraries);

}  // namespace tensorflow
}  // namespace polycom
