import * as tf from '@tensorflow/tfjs-core';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import { inEveryStorage } from '../op/sample.js';
import type { Op, Scalars } from '../op/types.js';
import { backward, forward } from './attention-reference.js';
import { attentionSamples } from './attention-samples.js';

/** The scale of a call that says 0, as the C ABI has it. */
function scaleOf({ scale }: Scalars, width: number): number {
  return scale === 0 ? 1 / Math.sqrt(width) : scale!;
}

/** So many bytes of scores are composed at a time: [time, keys] of a long text may not fit memory. */
const SCORES_BYTES = 2 ** 26;

/** Attention out of tf's own ops, a slice of the queries at a time. */
export function composedAttention(
  inputs: readonly tf.Tensor[],
  scalars: Scalars,
  bytes: number = SCORES_BYTES,
): tf.Tensor[] {
  const [q, k, v, start] = inputs as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.Tensor1D];
  const [batch, time, heads] = q.shape;
  const most = Math.max(1, Math.floor(bytes / (4 * batch * heads * Math.max(1, k.shape[1]))));
  if (q.size === 0 || time <= most) return composedSlice([q, k, v, start], scalars);
  const first = tf.maximum(start, tf.scalar(0, 'int32'));
  const parts: tf.Tensor[][] = [];
  for (let from = 0; from < time; from += most) {
    parts.push(
      tf.tidy(() => {
        const queries = tf.slice(q, [0, from, 0, 0], [batch, Math.min(most, time - from), heads, q.shape[3]]);
        return composedSlice([queries, k, v, tf.add(first, tf.scalar(from, 'int32'))], scalars);
      }),
    );
  }
  return [
    tf.concat(
      parts.map(([y]) => y!),
      1,
    ),
    tf.concat(
      parts.map(([, lse]) => lse!),
      2,
    ),
  ];
}

// Heads that share a head of k and v, one behind the other, are its queries: [batch · kvHeads, group · time, width].
function composedSlice([q, k, v, start]: readonly tf.Tensor[], scalars: Scalars): tf.Tensor[] {
  const [batch, time, heads, width] = q!.shape as [number, number, number, number];
  const [, keys, kvHeads] = k!.shape as [number, number, number];
  if (q!.size === 0) return [tf.clone(q!), tf.zeros([batch, heads, time])];
  const headsFirst = (x: tf.Tensor, rows: number): tf.Tensor3D =>
    tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * kvHeads, rows, width]);
  const queries = headsFirst(tf.mul(q!, scaleOf(scalars, width)), (heads / kvHeads) * time);
  const products = tf.matMul(queries, headsFirst(k!, keys), false, true);
  const scores = tf.add(tf.reshape(products, [batch, heads, time, keys]), mask(start!, time, keys));
  const weights = tf.reshape(tf.softmax(scores), [batch * kvHeads, (heads / kvHeads) * time, keys]);
  const y = tf.reshape(tf.matMul(weights as tf.Tensor3D, headsFirst(v!, keys)), [batch, heads, time, width]);
  return [tf.transpose(y, [0, 2, 1, 3]), tf.logSumExp(scores, -1)];
}

/** [batch, 1, time, keys]: 0 for the keys that a query sees, else −∞. */
function mask(start: tf.Tensor, time: number, keys: number): tf.Tensor {
  const first = tf.reshape(tf.maximum(start, tf.scalar(0, 'int32')), [-1, 1, 1, 1]);
  const query = tf.add(first, tf.reshape(tf.range(0, time, 1, 'int32'), [1, 1, time, 1]));
  const key = tf.reshape(tf.range(0, keys, 1, 'int32'), [1, 1, 1, keys]);
  return tf.where(tf.lessEqual(key, query), tf.scalar(0), tf.scalar(Number.NEGATIVE_INFINITY));
}

/** The widest heads that there are CUDA kernels for: most_attention_width in native/ops/attention/cuda.cuh. */
const MOST_GPU_WIDTH = 256;

/** The row of causal attention of grouped queries. */
export const attentionOp: Op<'attention'> = {
  name: 'attention',
  kernelName: 'CausalAttention',
  label: 'Causal attention',
  source: 'arXiv 2305.13245',
  inputs: ['q', 'k', 'v', 'start'],
  integers: ['start'],
  outputs: ['y', 'lse'],
  differentiable: ['y'],
  kept: ['q', 'k', 'v', 'start', 'y', 'lse'],
  gradients: ['q', 'k', 'v'],
  parameters: {},
  scalars: { scale: { default: 0, also: [0.7] } },
  storage: 'any',
  f32: ['lse'],
  fitsGpu: (q) => q.shape[3]! <= MOST_GPU_WIDTH,
  reference: {
    forward: ({ q, k, v, start }, scalars) =>
      forward({ q: q!, k: k!, v: v!, start: start!, scale: scaleOf(scalars, q!.shape[3]!) }),
    backward: ({ q, k, v, start }, [dy], scalars, dtype) =>
      backward({ q: q!, k: k!, v: v!, start: start!, scale: scaleOf(scalars, q!.shape[3]!) }, dy!, dtype),
  },
  composed: (inputs, scalars) => composedAttention(inputs, scalars),
  samples: () => inEveryStorage(attentionOp, attentionSamples()),
};

/** What attention may be told. */
export interface AttentionOptions {
  /** What q · k is multiplied by: 1/√width by default. */
  readonly scale?: number;
}

/**
 * Causal attention, of grouped queries where k and v have fewer heads than q (Ainslie et al. 2023, arXiv 2305.13245):
 * y = softmax(scale · q kᵀ) v. Query t of batch b sees the keys 0 to start[b] + t, as far as there are any; head h of
 * q belongs to head ⌊h / (heads / kvHeads)⌋ of k and v. Fused it holds no [time, keys] in memory (Dao et al. 2022,
 * arXiv 2205.14135).
 *
 * @param q float32 [batch, time, heads, width]
 * @param k float32 [batch, keys, kvHeads, width]; kvHeads divides heads
 * @param v float32, of k's shape
 * @param start int32 [batch]: the position of query 0 among the keys; 0 in training. One below 0 counts as 0.
 * @returns a tensor of q's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for shapes, dtypes or a scale that do not fit
 */
export function attention(
  q: tf.Tensor4D | Input,
  k: tf.Tensor4D | Input,
  v: tf.Tensor4D | Input,
  start: tf.Tensor1D | readonly number[],
  options: AttentionOptions = {},
): tf.Tensor4D {
  return callOp('attention', attentionOp, { q, k, v, start: start as Input }, options, wrongShapes);
}

function wrongShapes({ q, k, v, start }: Readonly<Record<'q' | 'k' | 'v' | 'start', tf.Tensor>>) {
  if (q.rank !== 4 || k.rank !== 4 || !tf.util.arraysEqual(k.shape, v.shape))
    return 'q must be [batch, time, heads, width], k and v [batch, keys, kvHeads, width]';
  const [batch, time, heads, width] = q.shape as [number, number, number, number];
  const [kvBatch, keys, kvHeads, kvWidth] = k.shape as [number, number, number, number];
  if (kvBatch !== batch || kvWidth !== width) return 'q and k must have one batch and one width';
  if (width === 0 || kvHeads === 0 || heads === 0 || heads % kvHeads !== 0)
    return `q has ${heads} heads and k ${kvHeads}; expected a multiple, and a width of 1 or more`;
  if (keys === 0 && time > 0) return 'k has no key; expected 1 or more';
  return start.rank === 1 && start.size === batch ? undefined : 'start must be [batch]';
}
