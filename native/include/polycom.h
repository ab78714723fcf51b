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
 *   - Storage is f32, f16 or bf16; arithmetic is f32, in an order fixed by the shape (on CUDA by the
 *     alignment too, and by the mapping that the architecture has), so that results repeat bit for bit,
 *     whatever the number of threads, and of multiprocessors.
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

/* Raised by any change that an older caller would misread. Checked at load. 5 took out the dtype f8 and its
   ops, and those for rows split over ranks: nothing called them. 6 has events, streams and tensors written in place.
   7 has 16-bit storage in a transformer's ops, and mixedadamw. */
#define PC_ABI_VERSION 7

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
  PC_I32 = 3 /* ids, labels, positions */
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
/* What a device is, as the texts above, or -1 where there is none such. JSON: {"name"}, and of CUDA's also
   {"architecture":90,"multiprocessors":n,"l2_bytes":n,"memory_bytes":n}. */
PC_API int64_t pc_device_info(pc_device device, int32_t index, char* buffer, int64_t capacity);
/* Whether ops run on a device: PC_OK, or why not. On CUDA that takes a driver as new as this library's runtime
   (else PC_NO_DEVICE), and kernels compiled for the GPU (else PC_UNSUPPORTED). */
PC_API pc_status pc_device_check(pc_device device, int32_t index);

/* A queue of our own. CPU: `index` is 0 and `threads` the most threads an op may use (0: every CPU that this
   process may use). CUDA: `index` is the device's ordinal, `threads` is ignored, a new stream is made. */
PC_API pc_status pc_queue_create(pc_device device, int32_t index, int32_t threads, pc_queue** queue);
/* A queue over someone else's CUDA stream (a CUstream), which must outlive it. Adopt once per device and
   stream, outside any op and any capture. */
PC_API pc_status pc_queue_adopt(int32_t index, void* stream, pc_queue** queue);
/* Ops may be captured into a CUDA graph on a queue's stream, each run once before (a first run asks the runtime what
   must not be asked in a capture). A graph may be replayed on any stream, also while the queue goes on: it uses
   nothing of the queue, but the tensors and the workspaces of its calls, which must live as long. Two replays at once
   need two graphs, of calls with workspaces and outputs of their own. */

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
 * Time, by the device's clock: record an event before some work and one after it, wait for the queue, and ask
 * for what lies between. Any thread may call these.
 */
typedef struct pc_event pc_event;

/* An event for a queue's work, which keeps the queue. */
PC_API pc_status pc_event_create(pc_queue* queue, pc_event** event);
/* Puts the event behind the work queued so far, and no longer where it was before. It takes the time once that
   work is done: by the device's clock on CUDA, by the host's on the CPU, whose work is done by then. */
PC_API pc_status pc_event_record(pc_event* event);
/* Milliseconds between two events of one device. It does not wait: an event that was never recorded, or that the
   work has not come to, is an invalid argument. */
PC_API pc_status pc_event_elapsed(const pc_event* from, const pc_event* to, double* milliseconds);
/* A null event is fine. */
PC_API pc_status pc_event_destroy(pc_event* event);

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

/*
 * The activations. A line here declares pc_<name>_forward and pc_<name>_backward:
 *
 *   forward:  (x, parameters ..)            -> (y)
 *   backward: (x, parameters .., dy)        -> (dx, gradients of the parameters ..)
 *
 * and of the gated ones:
 *
 *   forward:  (gate, up, parameters ..)     -> (y)
 *   backward: (gate, up, parameters .., dy) -> (dgate, dup, gradients of the parameters ..)
 *
 * x, gate, up, y and their gradients: one shape, any rank, one dtype; the last axis contiguous, the leading
 * axes evenly strided. A packed [gate | up] is two such views of one tensor. Parameters, and their gradients:
 * f32 and contiguous.
 *
 * A line: X(name, form, parameters, scalars), the last two in the order of a call's.
 *
 * Form:
 *   PC_ELEMENTWISE   y of an element depends on that element alone: a formula in native/math/<name>.h
 *   PC_ROWWISE       couples the elements of a row (the last axis)
 *   | PC_GATED       takes gate and up
 *
 * Parameters, PC_PARAMETER(name, shape), or PC_NONE:
 *   PC_ONE           a single number, of any rank
 *   PC_ORDER         [order]: w_p for each power p, the highest first; order 1 to 4
 *
 * Scalars, or PC_NONE:
 *   PC_SCALAR(name, PC_FINITE)           any number that is finite as a float
 *   PC_SCALAR(name, PC_NOT_NEGATIVE)     0 or more of those
 *   PC_SCALAR(name, PC_POSITIVE)         more than 0, as a float too
 *   PC_SCALAR(name, PC_FRACTION)         0 or more, and less than 1, as a float too
 *   PC_CHOICE(name, count, "0 (..) ..")  0, 1 .. count - 1, and how a message lists them
 *
 * PC_PARAMETER, PC_SCALAR and PC_CHOICE are for the one who expands a list to define.
 */
#define PC_ELEMENTWISE 0
#define PC_ROWWISE 1
#define PC_GATED 2
#define PC_ONE 0
#define PC_ORDER 1
#define PC_FINITE 0
#define PC_NOT_NEGATIVE 1
#define PC_POSITIVE 2
#define PC_FRACTION 3
#define PC_NONE
#define PC_MAX_ORDER 4

/* clang-format off */
#define PC_ACTIVATIONS(X) \
  /* PolyNorm (arXiv 2411.03884): y = bias + sum of w_p x^p / sqrt(mean(x^2p) + epsilon), p = 1 to order, over \
     the last axis; by the L2 norm with the sum for the mean. */ \
  X(polynorm, PC_ROWWISE, PC_PARAMETER(weight, PC_ORDER) PC_PARAMETER(bias, PC_ONE), \
    PC_SCALAR(epsilon, PC_NOT_NEGATIVE) PC_CHOICE(norm, 2, "0 (RMS) or 1 (L2)")) \
  /* PolyReLU (arXiv 2411.03884): y = bias + sum of w_p max(x, 0)^p. */ \
  X(polyrelu, PC_ELEMENTWISE, PC_PARAMETER(weight, PC_ORDER) PC_PARAMETER(bias, PC_ONE), PC_NONE) \
  /* ReLU: y = max(x, 0). */ \
  X(relu, PC_ELEMENTWISE, PC_NONE, PC_NONE) \
  /* ReLU squared (arXiv 2109.08668): y = max(x, 0)^2; with a soft cap s, y = (s tanh(max(x, 0) / s))^2. \
     softcap: 0 for none, or 1e-6 to 1e6. */ \
  X(relu2, PC_ELEMENTWISE, PC_NONE, PC_SCALAR(softcap, PC_NOT_NEGATIVE)) \
  /* GELU (arXiv 1606.08415): y = x P(x), P the normal distribution function, or by tanh. */ \
  X(gelu, PC_ELEMENTWISE, PC_NONE, PC_CHOICE(approximate, 2, "0 (by erf) or 1 (by tanh)")) \
  /* SiLU (arXiv 1702.03118): y = x / (1 + exp(-x)). */ \
  X(silu, PC_ELEMENTWISE, PC_NONE, PC_NONE) \
  /* y = PolyNorm(gate) up. */ \
  X(polynormglu, PC_ROWWISE | PC_GATED, PC_PARAMETER(weight, PC_ORDER) PC_PARAMETER(bias, PC_ONE), \
    PC_SCALAR(epsilon, PC_NOT_NEGATIVE) PC_CHOICE(norm, 2, "0 (RMS) or 1 (L2)")) \
  /* y = PolyReLU(gate) up. */ \
  X(polyreluglu, PC_ELEMENTWISE | PC_GATED, PC_PARAMETER(weight, PC_ORDER) PC_PARAMETER(bias, PC_ONE), \
    PC_NONE) \
  /* ReGLU (arXiv 2002.05202, as the next two): y = ReLU(gate) up. */ \
  X(reglu, PC_ELEMENTWISE | PC_GATED, PC_NONE, PC_NONE) \
  /* GEGLU: y = GELU(gate) up. */ \
  X(geglu, PC_ELEMENTWISE | PC_GATED, PC_NONE, PC_CHOICE(approximate, 2, "0 (by erf) or 1 (by tanh)")) \
  /* SwiGLU: y = h (v + shift), h = g s(alpha g), s the logistic function, g = min(gate, limit), and v is up \
     within -limit and limit. Or with the limit after SiLU: h = min(gate s(alpha gate), limit). A limit of 0 is \
     none. Gradients are 0 beyond a limit, not at it. By default y = SiLU(gate) up. */ \
  X(swiglu, PC_ELEMENTWISE | PC_GATED, PC_NONE, PC_SCALAR(limit, PC_NOT_NEGATIVE) \
    PC_SCALAR(alpha, PC_FINITE) PC_SCALAR(shift, PC_FINITE) PC_CHOICE(clamp, 2, "0 (the gate) or 1 (its SiLU)")) \
  /* SiTU-GLU (Kimi K3's technical report, Eq. 12): y = beta tanh(gate / beta) s(gate) v, v = l tanh(up / l), \
     l: linear, s the logistic function. beta and linear: 1e-6 to 1e6. */ \
  X(situglu, PC_ELEMENTWISE | PC_GATED, PC_NONE, PC_SCALAR(beta, PC_POSITIVE) PC_SCALAR(linear, PC_POSITIVE)) \
  /* PowLU (arXiv 2605.25704): y = f(gate) up, f(x) = x^(m / (sqrt(x) + 1)) s(x) where x > 0, else x s(x), s the \
     logistic function, m: exponent, 1 to 10. */ \
  X(powlu, PC_ELEMENTWISE | PC_GATED, PC_NONE, PC_SCALAR(exponent, PC_POSITIVE)) \
  /* xIELU (arXiv 2411.13010): y = p x^2 + beta x where x > 0, else n (expm1(min(x, -1e-6)) - x) + beta x, \
     p = softplus(alpha_p), n = beta + softplus(alpha_n). */ \
  X(xielu, PC_ELEMENTWISE, PC_PARAMETER(alpha_p, PC_ONE) PC_PARAMETER(alpha_n, PC_ONE), \
    PC_SCALAR(beta, PC_FINITE))
/* clang-format on */

#define PC_ACTIVATION(name, form, parameters, scalars) PC_OP(name##_forward) PC_OP(name##_backward)
PC_ACTIVATIONS(PC_ACTIVATION)

/*
 * How the CUDA kernels of PolyNorm take their rows: a table, whose lines are tried in order. A line suits a
 * row of its pass and item size if the row has no more slots of 16 bytes, the GPU's architecture is not
 * older, and the GPU can launch it. Rows that do not begin and end with whole slots are read twice, whatever
 * the table says. Results may differ in their last bits from mapping to mapping.
 */
typedef int32_t pc_path;
enum {
  PC_PATH_WARP = 0,   /* lanes of a warp, as many as a row needs, keep it in registers */
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
 * A transformer's other ops. A line here declares pc_<name>_forward and pc_<name>_backward:
 * X(name, call, scalars), where native/ops/<call>/call.h has its call. Tensors are contiguous, unless an op says
 * otherwise, and of one dtype, f32, f16 or bf16, but for those marked f32, and those marked i32, which hold whole
 * numbers. An input's gradient has its dtype; an output that backward takes is read as it is stored. Sizes in
 * brackets. A whole number out of its range is never used as an index: on the CPU it is an invalid argument, and on
 * CUDA, where it is seen too late for that, what it would have chosen is NaN. Scalars as of the activations.
 */
/* clang-format off */
#define PC_TRANSFORMER_OPS(X) \
  /* rmsnorm (Zhang and Sennrich 2019, arXiv 1910.07467): y = x / sqrt(mean(x^2) + epsilon) * weight over the \
     last axis. \
       forward:  (x [.., cols], weight f32 [cols]) -> (y) \
       backward: (x, weight, dy)                   -> (dx, dweight) */ \
  X(rmsnorm, rmsnorm, PC_SCALAR(epsilon, PC_NOT_NEGATIVE)) \
  /* addrmsnorm: the same of sum = x + residual, as it is stored. dx is the gradient of both. \
       forward:  (x, residual, weight)   -> (y, sum) \
       backward: (sum, weight, dy, dsum) -> (dx, dweight) */ \
  X(addrmsnorm, rmsnorm, PC_SCALAR(epsilon, PC_NOT_NEGATIVE)) \
  /* attention: causal, of grouped queries (Ainslie et al. 2023, arXiv 2305.13245), never time x keys in \
     memory (Dao et al. 2022, arXiv 2205.14135). y = softmax(scale q k^T) v; lse is the logarithm of the sum \
     of the scores' exponentials. Query t of batch b sees the keys 0 .. max(start[b], 0) + t, as far as there \
     are any; head h of q belongs to head h / (heads / kv_heads) of k and v. Inputs may be strided but for \
     their last axis, start and lse not. On CUDA a width up to 256. scale 0: 1 / sqrt(width). \
       forward:  (q [batch, time, heads, width], k, v [batch, keys, kv_heads, width], start i32 [batch]) \
                   -> (y, lse f32 [batch, heads, time]) \
       backward: (q, k, v, start, y, lse, dy) -> (dq, dk, dv) */ \
  X(attention, attention, PC_SCALAR(scale, PC_FINITE)) \
  /* crossentropy: loss = log(sum of exp(logits)) - logits[label] of each row; 0 where the label is -1, as is \
     its gradient. A row of lse is the largest logit, and log(sum of exp(logits - that)): apart, because \
     their sum, rounded, would lose the digits of small losses of large logits. \
       forward:  (logits [rows, cols], labels i32 [rows]) -> (loss f32 [rows], lse f32 [rows, 2]) \
       backward: (logits, labels, lse, dloss f32)         -> (dlogits) */ \
  X(crossentropy, crossentropy, PC_NONE) \
  /* embedding: row n of y is row ids[n] of the table, whose rows and ids are at most 2^31 - 1. Its gradient \
     adds up the rows of dy of one id in their order, in double. Any gather of rows. \
       forward:  (table [rows, cols], ids i32 [count]) -> (y [count, cols]) \
       backward: (table, ids, dy)                      -> (dtable) */ \
  X(embedding, embedding, PC_NONE) \
  /* rotary (Su et al. 2021, arXiv 2104.09864), as LLaMA in Hugging Face's transformers has it: the pairs \
     (i, i + width / 2) of each head, turned by the angles of position start[b] + t, whose cosines and sines \
     are that row of the table: [cos | sin], each width / 2. \
       forward:  (x [batch, time, heads, width], table f32 [positions, width], start i32 [batch]) -> (y) \
       backward: (table, start, dy)                                                               -> (dx) */ \
  X(rotary, rotary, PC_NONE) \
  /* dropout: y = x / (1 - rate) or, of the rate's share of elements, x * 0. Random words are those of \
     Philox4x32-10 under the key `seed`: element i takes word (i / 16) % 4 of the 64-bit counter \
     (i / 64) * 16 + i % 16, and is kept where that is at least rate * 2^32. rate: as a float. \
       forward:  (x, seed i32 [2]) -> (y) \
       backward: (seed, dy)        -> (dx) */ \
  X(dropout, dropout, PC_SCALAR(rate, PC_FRACTION)) \
  /* groupedpolynorm: PolyNorm of a mixture's experts, one group of rows after the other, with coefficients \
     of their own, and what Motif-3 adds. With v = x + shift, clamped to +- input_clamp, and b = bias, clamped \
     to +- bias_clamp: \
       y = output_scale (b + sum of w_p v^p / sqrt(mean(v^2p) + epsilon)) \
     Rows offsets[g] to offsets[g + 1] - 1 are group g's; with no offsets, all are the one group's. Rows \
     before the first group or behind the last are padding: 0 in y and in the gradients, whatever they hold. \
     Offsets must rise, from 0 or more to at most rows; on CUDA, where they do not, all outputs are NaN. What \
     lies outside a clamp has gradient 0; a clamp of 0 is none. dshift sums dx over all rows. Leading axes of \
     x, up and dy are the rows, and may be evenly strided. \
       forward:  (x [.., cols], weight f32 [groups, order], bias f32 [groups], offsets i32 [groups + 1] or [0], \
                  shift f32 [cols] or [0])             -> (y) \
       backward: (x, weight, bias, offsets, shift, dy) -> (dx, dweight, dbias, dshift) */ \
  X(groupedpolynorm, groupedpolynorm, \
    PC_SCALAR(epsilon, PC_NOT_NEGATIVE) PC_CHOICE(norm, 2, "0 (RMS) or 1 (L2)") \
    PC_SCALAR(input_clamp, PC_NOT_NEGATIVE) PC_SCALAR(bias_clamp, PC_NOT_NEGATIVE) \
    PC_SCALAR(output_scale, PC_FINITE)) \
  /* groupedpolynormglu: the same times up. \
       forward:  (x, up, weight, bias, offsets, shift)     -> (y) \
       backward: (x, up, weight, bias, offsets, shift, dy) -> (dx, dup, dweight, dbias, dshift) */ \
  X(groupedpolynormglu, groupedpolynorm, \
    PC_SCALAR(epsilon, PC_NOT_NEGATIVE) PC_CHOICE(norm, 2, "0 (RMS) or 1 (L2)") \
    PC_SCALAR(input_clamp, PC_NOT_NEGATIVE) PC_SCALAR(bias_clamp, PC_NOT_NEGATIVE) \
    PC_SCALAR(output_scale, PC_FINITE))

/*
 * Ops of one pass. A line here declares pc_<name>: X(name, call), of which <call>_call is the call.
 */
#define PC_OTHER_OPS(X) \
  /* copy: the yardstick of the benchmarks, of f32, f16 or bf16, of any shape, contiguous. Scalars: method \
     (0: let the library choose, 1: memcpy, 2: streaming stores). \
       (x) -> (y) */ \
  X(copy, copy) \
  /* stream: the roof of the benchmarks. 1 to 3 tensors in and 1 or 2 out, of one shape and dtype (f32, f16 or \
     bf16), contiguous; each output is the exclusive or of the inputs' bits: traffic, and next to no arithmetic. \
     Scalars: method (0: stores as the kernels', 1: ordinary stores, 2: streaming stores). \
       (x, ..) -> (y, ..) */ \
  X(stream, stream) \
  /* squaresum: the sum of the squares of all elements of any number of tensors of any shapes, each f32, f16 or \
     bf16, accumulated in double in a fixed order. \
       (x, ..) -> (sum f32 []) */ \
  X(squaresum, squaresum) \
  /* adamw (Loshchilov and Hutter 2019, arXiv 1711.05101), of any number of tensors at once, in place: the one \
     op, with the next, that writes its inputs. All are f32, but gradients may be f16 or bf16. hyper is the \
     learning rate, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, the weight decay, what gradients are multiplied \
     by, 1 - beta1^t, sqrt(1 - beta2^t). With g the gradient so multiplied: \
       p -= rate decay p;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2 \
       p -= rate m / (1 - beta1^t) / (sqrt(v) / sqrt(1 - beta2^t) + epsilon) \
       (hyper [10], then parameter, gradient, m, v of each tensor) -> () */ \
  X(adamw, adamw) \
  /* mixedadamw: the same of parameters that are kept in f32 and used in 16 bits: their copies, f16 or bf16, are \
     written too. \
       (hyper [10], then parameter, gradient, m, v, copy of each tensor) -> () */ \
  X(mixedadamw, adamw)
/* clang-format on */

#define PC_TRANSFORMER_OP(name, call, scalars) PC_OP(name##_forward) PC_OP(name##_backward)
PC_TRANSFORMER_OPS(PC_TRANSFORMER_OP)
#define PC_OTHER_OP(name, call) PC_OP(name)
PC_OTHER_OPS(PC_OTHER_OP)

#ifdef __cplusplus
}
#endif
#endif
