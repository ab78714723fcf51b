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
 *   - Any thread may call it, on a queue of its own or a shared one. A forked child may go on with CPU queues
 *     and their memory; CUDA does not survive a fork.
 *   - Outputs must not overlap inputs. Outputs and workspace may hold anything before the call.
 *   - Storage is f32, f16 or bf16 (of a quantised output f8); arithmetic is f32, in an order fixed by the
 *     shape (on CUDA by the alignment too, and by the mapping that the architecture has), so that results
 *     repeat bit for bit, whatever the number of threads, and of multiprocessors.
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
#define PC_ABI_VERSION 4

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
enum {
  PC_F32 = 0,
  PC_F16 = 1,
  PC_BF16 = 2,
  PC_I32 = 3, /* ids, labels, positions */
  PC_F8E4M3 =
      4 /* OCP's e4m3fn, of quantised outputs: to nearest, ties to even, at most 448; a NaN stays one */
};

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
/* Waits, then frees the queue, or leaves that to the last of its memory to be freed. A null queue is fine. */
PC_API pc_status pc_queue_destroy(pc_queue* queue);
/* Has `callback` called once the work queued so far is done, with PC_OK, or PC_DEVICE_ERROR if some of it
   failed. On the CPU, whose work is done by then, before this returns; on CUDA from a thread of the driver's,
   which the callback must not hold up, nor use this library in. Not called if this fails. */
PC_API pc_status pc_queue_notify(pc_queue* queue, void (*callback)(void* context, pc_status status),
                                 void* context);
/* Whether ops on this queue may be handed ordinary host memory: 1 on the CPU, and on a GPU that shares the
   process's page tables; 0 where only memory of the functions below will do, and for a null queue. */
PC_API int32_t pc_queue_reaches_host(const pc_queue* queue);

/*
 * Memory, in the order of the queue's work. These are no ops: they may take the time that an allocation
 * takes, and wait for the device before they give up for want of memory. Any thread may call them.
 */

/* `bytes` of memory on the queue's device, aligned to 64 bytes or more, holding anything; null for 0 bytes. A
   queue that is destroyed lives on until the last of its memory is freed (an adopted stream must live as
   long). */
PC_API pc_status pc_memory_allocate(pc_queue* queue, int64_t bytes, void** memory);
/* The same of host memory that the queue's device reaches directly: page-locked for CUDA. */
PC_API pc_status pc_memory_allocate_host(pc_queue* queue, int64_t bytes, void** memory);
/* Frees either, once the work that was queued before is done: on CUDA, the host kind by waiting for it. Null
   is fine; memory that these functions did not give, or that was freed, is an invalid argument. */
PC_API pc_status pc_memory_free(void* memory);
/* Copies in the queue's order, from and to host memory or memory on the queue's device. The host's side must
   stay as it is until the work is done. */
PC_API pc_status pc_memory_copy(pc_queue* queue, void* to, const void* from, int64_t bytes);
/* The bytes of pc_memory_allocate on a device, by all queues, that have not been freed. */
PC_API pc_status pc_memory_in_use(pc_device device, int32_t index, int64_t* bytes);

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
 *   forward:  (x, [weight, bias])            -> (y)              y = f(x)
 *   backward: (x, [weight, bias,] dy)        -> (dx, [dweight, dbias])
 *
 * and of the gated ones:
 *
 *   forward:  (gate, up, [weight, bias])     -> (y)              y = f(gate) * up
 *   backward: (gate, up, [weight, bias,] dy) -> (dgate, dup, [dweight, dbias])
 *
 * x, gate, up, y and their gradients: one shape, any rank, one dtype; the last axis contiguous, the leading
 * axes evenly strided. A packed [gate | up] is two such views of one tensor. weight: [order], order 1 to 4,
 * highest power first, and bias: a scalar, both f32 and contiguous, as their gradients.
 *
 * Traits:
 *   PC_COEFFICIENTS  takes weight and bias, and gives their gradients
 *   PC_GATED         takes gate and up
 *   PC_ROWWISE       couples the elements of a row (the last axis);
 *                    scalars: epsilon >= 0, norm (0: root of the mean square, 1: L2, root of the sum of
 * squares) PC_APPROXIMATE   scalars: approximate (0: exact, by erf; 1: by tanh)
 */
#define PC_COEFFICIENTS 1
#define PC_GATED 2
#define PC_ROWWISE 4
#define PC_APPROXIMATE 8
#define PC_MAX_ORDER 4
#define PC_ACTIVATIONS(X)                                 \
  X(polynorm, PC_COEFFICIENTS | PC_ROWWISE)               \
  X(polyrelu, PC_COEFFICIENTS)                            \
  X(relu, 0)                                              \
  X(relu2, 0)                                             \
  X(gelu, PC_APPROXIMATE)                                 \
  X(silu, 0)                                              \
  X(polynormglu, PC_COEFFICIENTS | PC_ROWWISE | PC_GATED) \
  X(polyreluglu, PC_COEFFICIENTS | PC_GATED)              \
  X(reglu, PC_GATED)                                      \
  X(geglu, PC_APPROXIMATE | PC_GATED)                     \
  X(swiglu, PC_GATED)

#define PC_ACTIVATION(name, traits) PC_OP(name##_forward) PC_OP(name##_backward)
PC_ACTIVATIONS(PC_ACTIVATION)

/*
 * How the CUDA kernels of PolyNorm take their rows: a table, whose lines are tried in order. A line suits a
 * row of its pass and item size if the row has no more slots of 16 bytes, the GPU's architecture is not
 * older, and the GPU can launch it. Results may differ in their last bits from mapping to mapping.
 */
typedef int32_t pc_path;
enum {
  PC_PATH_WARP = 0,   /* a warp keeps a row in registers */
  PC_PATH_BLOCK = 1,  /* a block does */
  PC_PATH_STAGED = 2, /* a block, or a cluster of them, keeps rows in shared memory, and fetches ahead */
  PC_PATH_TWICE = 3   /* a block reads a row twice, the second time from cache */
};
typedef struct pc_mapping {
  int32_t architecture; /* the oldest: 90 for 9.0 */
  int32_t pass;         /* 0: forward, 1: backward; and 2 more with a gate */
  int32_t item;         /* bytes of an element, 2 or 4; 0: either */
  pc_path path;
  int32_t threads; /* of a block; at most so many, save by the warp: 128 */
  int32_t stages;  /* rows in flight, staged: 1 to 4 */
  int32_t cluster; /* blocks to a row, staged: 1, 2, 4 or 8 */
  int64_t slots;   /* of the longest row that this is for */
} pc_mapping;
/* What a launch takes from it. */
typedef struct pc_mapping_launch {
  int32_t threads; /* of a block */
  int32_t slots;   /* of each tensor that a thread takes; 0 where it loops */
  int64_t shared;  /* bytes of dynamic shared memory a block */
} pc_mapping_launch;
/* The line that is taken for a row, and the launch that follows, unless that is null. Needs no device. */
PC_API pc_status pc_mapping_find(int32_t architecture, int32_t pass, int32_t item, int64_t slots,
                                 pc_mapping* found, pc_mapping_launch* launch);
/* Puts at most 256 lines before the table, in place of those that were put there before; 0 lines leave the
   table alone. For the whole process, from the next op on. */
PC_API pc_status pc_mapping_replace(const pc_mapping* lines, int32_t count);

/*
 * A transformer's other ops. A line here declares pc_<name>_forward and pc_<name>_backward. Tensors are f32
 * and contiguous, unless an op says otherwise; those marked i32 hold whole numbers. Sizes in brackets. A
 * whole number out of its range is never used as an index: on the CPU it is an invalid argument, and on
 * CUDA, where it is seen too late for that, what it would have chosen is NaN.
 *
 * rmsnorm (Zhang and Sennrich 2019, arXiv 1910.07467): y = x / sqrt(mean(x^2) + epsilon) * weight over the
 * last axis. Scalars: epsilon.
 *
 *   forward:  (x [.., cols], weight [cols])   -> (y)
 *   backward: (x, weight, dy)                 -> (dx, dweight)
 *
 * addrmsnorm: the same of sum = x + residual. dx is the gradient of both. Scalars: epsilon.
 *
 *   forward:  (x, residual, weight)           -> (y, sum)
 *   backward: (sum, weight, dy, dsum)         -> (dx, dweight)
 *
 * crossentropy: loss = log(sum of exp(logits)) - logits[label] of each row; 0 where the label is -1, as is
 * its gradient. A row of lse is the largest logit, and log(sum of exp(logits - that)): apart, because their
 * sum, rounded, would lose the digits of small losses of large logits.
 *
 *   forward:  (logits [rows, cols], labels i32 [rows])   -> (loss [rows], lse [rows, 2])
 *   backward: (logits, labels, lse, dloss)               -> (dlogits)
 *
 * embedding: row n of y is row ids[n] of the table, whose rows and ids are at most 2^31 - 1. Its gradient
 * adds up the rows of dy of one id in their order, in double. Any gather of rows.
 *
 *   forward:  (table [rows, cols], ids i32 [count])   -> (y [count, cols])
 *   backward: (table, ids, dy)                        -> (dtable)
 *
 * rotary (Su et al. 2021, arXiv 2104.09864), as LLaMA in Hugging Face's transformers has it: the pairs (i, i
 * + width / 2) of each head, turned by the angles of position start[b] + t, whose cosines and sines are that
 * row of the table: [cos | sin], each width / 2.
 *
 *   forward:  (x [batch, time, heads, width], table [positions, width], start i32 [batch])   -> (y)
 *   backward: (table, start, dy)                                                             -> (dx)
 *
 * dropout: y = x / (1 - rate) or, of the rate's share of elements, x * 0. Random words are those of
 * Philox4x32-10 under the key `seed`: element i takes word (i / 16) % 4 of the 64-bit counter (i / 64) * 16 +
 * i % 16, and is kept where that is at least rate * 2^32. Scalars: rate, in [0, 1), as a float.
 *
 *   forward:  (x, seed i32 [2])   -> (y)
 *   backward: (seed, dy)          -> (dx)
 *
 * attention: causal, of grouped queries (Ainslie et al. 2023, arXiv 2305.13245), never time x keys in memory
 * (Dao et al. 2022, arXiv 2205.14135). y = softmax(scale q k^T) v; lse is the logarithm of the sum of the
 * scores' exponentials. Query t of batch b sees the keys 0 .. max(start[b], 0) + t, as far as there are any;
 * head h of q belongs to head h / (heads / kv_heads) of k and v. Inputs may be strided but for their last
 * axis, start and lse not. On CUDA a width up to 128. Scalars: scale (0: 1 / sqrt(width)).
 *
 *   forward:  (q [batch, time, heads, width], k, v [batch, keys, kv_heads, width], start i32 [batch])
 *               -> (y, lse [batch, heads, time])
 *   backward: (q, k, v, start, y, lse, dy)   -> (dq, dk, dv)
 *
 * groupedpolynorm: PolyNorm of a mixture's experts, one group of rows after the other, with coefficients of
 * their own, and what Motif-3 adds. v = x + shift, clamped to +- input_clamp:
 *
 *   y = output_scale (b + sum of w_p v^p / sqrt(mean(v^2p) + epsilon)),   b = bias, clamped to +- bias_clamp
 *
 * Rows offsets[g] to offsets[g + 1] - 1 are group g's; with no offsets, all are the one group's. Rows before
 * the first group or behind the last are padding: 0 in y and in the gradients, whatever they hold. Offsets
 * must rise, from 0 or more to at most rows; on CUDA, where they do not, all outputs are NaN. What lies
 * outside a clamp has gradient 0. dshift sums dx over all rows. Leading axes of x, up and dy are the rows,
 * and may be evenly strided; these, y, dx and dup are f32, f16 or bf16. Scalars: epsilon, norm (as of
 * polynorm), input_clamp and bias_clamp (0: none), output_scale.
 *
 *   forward:  (x [.., cols], weight [groups, order], bias [groups], offsets i32 [groups + 1] or [0],
 *              shift [cols] or [0])                      -> (y)
 *   backward: (x, weight, bias, offsets, shift, dy)      -> (dx, dweight, dbias, dshift)
 *
 * groupedpolynormglu: the same times up.
 *
 *   forward:  (x, up, weight, bias, offsets, shift)      -> (y)
 *   backward: (x, up, weight, bias, offsets, shift, dy)  -> (dx, dup, dweight, dbias, dshift)
 *
 * polynormapply: PolyNorm of rows whose columns are split over ranks (tensor parallelism), out of the sums of
 * polynormmoments and polynormproducts below, added up over the ranks (all-reduced). x and dy are a rank's
 * columns, f32, f16 or bf16, as y and dx, and their rows may be apart; dweight and dbias are those of the
 * whole rows, the same on every rank. There is no gated form: multiply after it. Moments are floats: beyond
 * |x| = 1.8e19, 4.3e9, 2.6e6 and 6.5e4 those of orders 1 to 4 are infinite, and their terms vanish from y and
 * the gradients; an epsilon of 0 loses digits below the inverse of these. Scalars: epsilon; backward also
 * count, as of the moments.
 *
 *   forward:  (x [.., cols], weight [order], bias [], moments [.., order])   -> (y)
 *   backward: (x, weight, bias, moments, products [.., order + 1], dy)       -> (dx, dweight, dbias)
 */
#define PC_FUSED_OPS(X) \
  X(rmsnorm)            \
  X(addrmsnorm)         \
  X(attention)          \
  X(crossentropy)       \
  X(embedding)          \
  X(rotary)             \
  X(dropout)            \
  X(groupedpolynorm)    \
  X(groupedpolynormglu) \
  X(polynormapply)

/*
 * Ops of one pass, of the same kind. A line here declares pc_<name>.
 *
 * quantizedpolynorm: groupedpolynorm's y in f8, y = value / scale of the row. A scale that is given is every
 * row's; else a row's is its largest |value| / 448, or 1 for a row of zeros. NaN values have no part in that.
 *
 *   (x, weight, bias, offsets, shift, scale [] or [0])       -> (y f8, scales [rows])
 *
 * quantizedpolynormglu: the same of groupedpolynormglu.
 *
 *   (x, up, weight, bias, offsets, shift, scale)             -> (y f8, scales [rows])
 *
 * polynormmoments: of each row the sums of x^2p over its columns, p = 1 to order, divided by count: the whole
 * row's columns, or 1 for the L2 norm. Scalars: count, order.
 *
 *   (x [.., cols])       -> (moments [.., order])
 *
 * polynormproducts: the sums of dy x^p, p = 0 to order. Scalars: order.
 *
 *   (x [.., cols], dy)   -> (products [.., order + 1])
 */
#define PC_ONE_PASS_OPS(X) \
  X(quantizedpolynorm)     \
  X(quantizedpolynormglu)  \
  X(polynormmoments)       \
  X(polynormproducts)

/*
 * The optimizer, over any number of tensors at once; f32, contiguous, any shapes.
 *
 * squaresum: of the squares of all elements, accumulated in double in a fixed order.
 *
 *   (x, ...)   -> (sum [])
 *
 * adamw (Loshchilov and Hutter 2019, arXiv 1711.05101), in place: the one op that writes its inputs. hyper is
 * the learning rate, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, the weight decay, what gradients are
 * multiplied by, 1 - beta1^t, sqrt(1 - beta2^t). With g the gradient so multiplied:
 *
 *   p -= rate decay p;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *   p -= rate m / (1 - beta1^t) / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 *
 *   (hyper [10], then parameter, gradient, m, v of each tensor)   -> ()
 */
PC_OP(squaresum)
PC_OP(adamw)

#define PC_FUSED_OP(name) PC_OP(name##_forward) PC_OP(name##_backward)
PC_FUSED_OPS(PC_FUSED_OP)
PC_ONE_PASS_OPS(PC_OP)

#ifdef __cplusplus
}
#endif
#endif
