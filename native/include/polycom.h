/*
 * polycom.h: the whole C ABI of libpolycom. Versioned; knows no tfjs, no TensorFlow and no Node.
 *
 * Every op has one signature:   pc_status pc_<op>(pc_queue*, const pc_args*)
 * and a companion:              pc_status pc_<op>_plan(const pc_queue*, pc_args*)
 * which checks the inputs, writes the dtype, shape and contiguous strides of every output, and the
 * workspace that the op needs. Plan, allocate, run.
 *
 * Rules that hold for every function here:
 *   - It never exits, throws, prints, or waits for the device. An op allocates nothing.
 *   - It returns a status; pc_last_error() gives the text of this thread's last failure.
 *   - Whatever could corrupt memory is checked: counts, dtypes, shapes, strides, sizes, overflow.
 *   - Outputs must not overlap inputs. Outputs and workspace may hold anything before the call.
 *   - Storage is f32, f16 or bf16; arithmetic is f32, in an order fixed by the shape (on CUDA by the
 * alignment too), so that results repeat bit for bit, whatever the number of threads and the GPU.
 */
#ifndef POLYCOM_H
#define POLYCOM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define PC_API __declspec(dllexport)
#else
#define PC_API __attribute__((visibility("default")))
#endif

/* Raised by any change that an older caller would misread. Checked at load. */
#define PC_ABI_VERSION 1

#define PC_MAX_RANK 8
#define PC_MAX_SCALARS 8
#define PC_MAX_TENSORS 1024

typedef int32_t pc_status;
enum {
  PC_OK = 0,
  PC_INVALID_ARGUMENT = 1, /* the caller's mistake: the text says what, got and expected */
  PC_UNSUPPORTED = 2,      /* well formed, but this library has no kernel for it */
  PC_NO_DEVICE = 3,        /* no such device, no driver, or a library built without CUDA */
  PC_DEVICE_ERROR = 4,     /* the device's runtime failed; the text holds its name for it */
  PC_OUT_OF_MEMORY = 5
};

typedef int32_t pc_dtype;
enum { PC_F32 = 0, PC_F16 = 1, PC_BF16 = 2 };

typedef int32_t pc_device;
enum { PC_CPU = 0, PC_CUDA = 1 };

/* A view. `data` lives on the queue's device; it may be null only while planning, or if a size is 0.
   Sizes and strides count elements. Only the first `rank` of each are read. */
typedef struct pc_tensor {
  void* data;
  pc_dtype dtype;
  int32_t rank;
  int64_t shape[PC_MAX_RANK];
  int64_t strides[PC_MAX_RANK];
} pc_tensor;

/* The header of an argument block. Its tensors follow it immediately in memory: first `n_inputs` inputs,
   then `n_outputs` outputs, in the order that the op's comment names. A caller encodes a block once and
   reuses it; plain bytes, the same for every op and every language. */
typedef struct pc_args {
  int64_t size; /* of the whole block: sizeof(pc_args) + (n_inputs + n_outputs) * sizeof(pc_tensor) */
  int32_t n_inputs;
  int32_t n_outputs;
  int32_t n_scalars;
  int32_t reserved; /* 0 */
  double scalars[PC_MAX_SCALARS];
  void* workspace; /* on the queue's device, 16-byte aligned */
  int64_t workspace_size;
} pc_args;

/* A device and its order of work: the CPU with its threads, a CUDA stream of ours, or an adopted one. */
typedef struct pc_queue pc_queue;

PC_API int32_t pc_abi_version(void);

/* These two write text into `buffer` (at most `capacity` bytes, always terminated) and return the length
   that the whole text has. A null buffer asks for the length alone. */
PC_API int64_t pc_last_error(char* buffer, int64_t capacity);
/* JSON: {"version","cuda":bool,"cuda_architectures":"80-real,...","simd":"avx512|avx2|baseline","cpus":n} */
PC_API int64_t pc_build_info(char* buffer, int64_t capacity);

/* How many devices of a kind can be used now. 0 for CUDA without a driver, a device or CUDA code. */
PC_API int32_t pc_device_count(pc_device device);

/* A queue of our own. CPU: `index` is 0 and `threads` the most threads an op may use (0: every CPU that this
   process may use). CUDA: `index` is the device's ordinal, `threads` is ignored, a new stream is made. */
PC_API pc_status pc_queue_create(pc_device device, int32_t index, int32_t threads, pc_queue** queue);
/* A queue over someone else's CUDA stream (a CUstream), which must outlive it. Adopt once per device and
   stream, outside any op and any capture. */
PC_API pc_status pc_queue_adopt(int32_t index, void* stream, pc_queue** queue);
/* Waits for the queue's work. The one function here that waits, with the two below. */
PC_API pc_status pc_queue_synchronize(pc_queue* queue);
/* Waits for all work on a device, whichever stream it is on. Needed before reading memory that a stream we
   do not know has written. */
PC_API pc_status pc_device_synchronize(pc_device device, int32_t index);
/* Waits, then frees the queue. A null queue is fine. */
PC_API pc_status pc_queue_destroy(pc_queue* queue);

/* One op: the run function and its plan. */
#define PC_OP(op)                                                 \
  PC_API pc_status pc_##op(pc_queue* queue, const pc_args* args); \
  PC_API pc_status pc_##op##_plan(const pc_queue* queue, pc_args* args);

/* copy: (x) -> (y). scalars: method (0: let the library choose, 1: memcpy, 2: streaming stores).
   The yardstick of the benchmarks. */
PC_OP(copy)

/*
 * The activations. A line here declares pc_<name>_forward and pc_<name>_backward:
 *
 *   forward:  (x, [weight, bias])      -> (y)
 *   backward: (x, [weight, bias,] dy)  -> (dx, [dweight, dbias])
 *
 * x, y, dy, dx: one shape, any rank, one dtype; the last axis contiguous, the leading axes evenly strided.
 * weight: [order], highest power first, and bias: a scalar, both f32 and contiguous, as their gradients.
 *
 * Traits:
 *   PC_COEFFICIENTS  takes weight and bias, and gives their gradients
 *   PC_ROWWISE       couples the elements of a row (the last axis); takes scalars[0] = epsilon >= 0
 */
#define PC_COEFFICIENTS 1
#define PC_ROWWISE 2
#define PC_ACTIVATIONS(X)                   \
  X(polynorm, PC_COEFFICIENTS | PC_ROWWISE) \
  X(polyrelu, PC_COEFFICIENTS)              \
  X(relu2, 0)

#define PC_ACTIVATION(name, traits) PC_OP(name##_forward) PC_OP(name##_backward)
PC_ACTIVATIONS(PC_ACTIVATION)

#ifdef __cplusplus
}
#endif
#endif
