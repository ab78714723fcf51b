/*
 * polycom_tensorflow.h: makes TensorFlow ops out of this library's ops. The only header that knows of
 * TensorFlow; the library neither includes nor links it, and finds it in the process by name.
 */
#ifndef POLYCOM_TENSORFLOW_H
#define POLYCOM_TENSORFLOW_H

#include "polycom.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef pc_status (*pc_run_function)(pc_queue* queue, const pc_args* args);
typedef pc_status (*pc_plan_function)(const pc_queue* queue, pc_args* args);

/* Finds TensorFlow among the libraries that this process has loaded. `libraries`: their file names or paths,
   one a line. Does nothing the second time. */
PC_API pc_status pc_tensorflow_attach(const char* libraries);

/* Has ops registered from now on have kernels on the GPU too. For a TensorFlow that uses one: looking at the GPUs
   makes a context on each. If this library's kernels do not run on every one (as pc_device_check says), nothing
   changes but what is returned, and whoever registers ops all the same has TensorFlow copy all that they take and
   give. */
PC_API pc_status pc_tensorflow_use_gpu(void);

/* Registers `name` (CamelCase) in the TensorFlow that pc_tensorflow_attach found: on the CPU, and on the GPU
   after pc_tensorflow_use_gpu. `inputs`, `outputs` and `scalars` are names with a comma between, in
   the order of the op's argument block; tensors are float, or "ids:i32" int32; scalars become float
   attributes, "epsilon=1e-6" with a default, which costs nothing to leave as it is. Two names with a plus
   between, "gate+up", are the halves of one tensor, side by side on its last axis: the op's function is given
   two views. "tensors*" as the last input is a list of any length. An output "=cache" is the input of that name,
   which the op writes in place: TensorFlow is given the same memory as a new tensor, since it may hold copies of
   the old one, which it takes to be constant. Again, and from any thread: does nothing. With other functions or names, or the name of
   another's op that has kernels: an invalid argument. TensorFlow aborts the process for a definition of
   another's without kernels, so that a caller who may meet one asks TensorFlow first. */
PC_API pc_status pc_tensorflow_register(const char* name, pc_run_function run, pc_plan_function plan,
                                        const char* inputs, const char* outputs, const char* scalars);

/* How the last op on a GPU was ordered with TensorFlow's own work, or -1 before the first:
     0  on TensorFlow's stream. A pluggable device gives it, whose library exports
        void* polycom_cuda_stream(SP_Stream), the CUDA stream that one of its streams is
     1  on TensorFlow's stream, as the function of pc_tensorflow_use_stream gives it
     2  by events of the whole context, which the driver has since 12.5: nobody waits but the streams
     3  by waiting for the device before, and for the op after
   The first that can be had is taken, or the one that POLYCOM_STREAM_TIER names. */
PC_API int32_t pc_tensorflow_stream_tier(void);

/* Has ops on a GPU run on the CUDA stream that `stream_of` gives for their TF_OpKernelContext, where the C API gives none,
   as for TensorFlow's own GPU device. It is called for each op and must outlive them; for null from it, or null as
   `stream_of`, the next tier is taken. */
PC_API void pc_tensorflow_use_stream(void* (*stream_of)(void* context));

#ifdef __cplusplus
}
#endif
#endif
