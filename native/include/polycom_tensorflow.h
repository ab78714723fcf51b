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

/* Registers `name` (CamelCase) in the TensorFlow that pc_tensorflow_attach found: on the CPU, and on the GPU
   where this library has CUDA kernels. `inputs`, `outputs` and `scalars` are names with a comma between, in
   the order of the op's argument block; tensors are float, or "ids:i32" int32; scalars become float
   attributes, "epsilon=1e-6" with a default, which costs nothing to leave as it is. Two names with a plus
   between, "gate+up", are the halves of one tensor, side by side on its last axis: the op's function is given
   two views. Again, and from any thread: does nothing. With other functions or names, or the name of
   another's op that has kernels: an invalid argument. TensorFlow aborts the process for a definition of
   another's without kernels, so that a caller who may meet one asks TensorFlow first. */
PC_API pc_status pc_tensorflow_register(const char* name, pc_run_function run, pc_plan_function plan,
                                        const char* inputs, const char* outputs, const char* scalars);

#ifdef __cplusplus
}
#endif
#endif
