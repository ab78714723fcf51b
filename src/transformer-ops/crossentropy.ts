import * as tf from '@tensorflow/tfjs-core';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import { inEveryStorage, randomIntegers, randomTensor } from '../op/sample.js';
import { Sums } from '../op/sums.js';
import type { Op, Sample, Values } from '../op/types.js';

/** The label of a row that does not count. */
const IGNORED = -1;

// m = max(x), l = log Σ exp(x - m); loss = (m - x[label]) + l.
function forward(logits: Values, labels: Values): Sums[] {
  const rows = labels.values.length;
  const [loss, lse] = [new Sums(rows), new Sums(2 * rows)];
  for (const [r, label] of labels.values.entries()) {
    const { row, most, logSum } = rowOf(logits, r);
    lse.add(2 * r, most);
    // The sum's own rounding is an absolute error of its logarithm.
    lse.add(2 * r + 1, logSum, logSum + 1);
    if (label === IGNORED) continue;
    loss.add(r, most - row[label]!);
    loss.add(r, logSum, logSum + 1);
  }
  return [loss, lse];
}

// dx = dloss (exp(x - m - l) - 1 at the label).
function backward(logits: Values, labels: Values, dloss: Float64Array): Sums[] {
  const dlogits = new Sums(logits.values.length);
  for (const [r, label] of labels.values.entries()) {
    if (label === IGNORED) continue;
    const { row, most, logSum } = rowOf(logits, r);
    for (const [c, x] of row.entries())
      dlogits.add(r * row.length + c, dloss[r]! * Math.exp(x - most - logSum));
    dlogits.add(r * row.length + label, -dloss[r]!);
  }
  return [dlogits];
}

function rowOf({ shape, values }: Values, r: number): { row: Float64Array; most: number; logSum: number } {
  const cols = shape[1]!;
  const row = values.subarray(r * cols, (r + 1) * cols);
  const most = row.reduce((a, b) => Math.max(a, b));
  return { row, most, logSum: Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0)) };
}

/** Which logit of each row is its label's: bool [rows, cols]. */
function hits(labels: tf.Tensor, cols: number): tf.Tensor {
  return tf.equal(tf.reshape(labels, [labels.size, 1]), tf.range(0, cols, 1, 'int32'));
}

/** The logits less the largest of their row, that one, and log Σ exp of the difference, both [rows, 1]. */
function normalised(logits: tf.Tensor): { shifted: tf.Tensor; most: tf.Tensor; logSum: tf.Tensor } {
  const most = tf.max(logits, 1, true);
  const shifted = tf.sub(logits, most);
  return { shifted, most, logSum: tf.log(tf.sum(tf.exp(shifted), 1, true)) };
}

function composed([logits, labels]: readonly tf.Tensor[]): tf.Tensor[] {
  const [rows, cols] = logits!.shape as [number, number];
  if (rows === 0) return [tf.zeros([0]), tf.zeros([0, 2])]; // tfjs cannot take the largest of nothing
  const { shifted, most, logSum } = normalised(logits!);
  const hit = hits(labels!, cols);
  // A choice, no product: logits may be -Infinity.
  const chosen = tf.sum(tf.where(hit, shifted, tf.zerosLike(shifted)), 1);
  const loss = tf.sub(tf.reshape(logSum, [rows]), chosen);
  const without = tf.where(tf.equal(labels!, IGNORED), tf.zerosLike(loss), tf.fill([rows], Number.NaN));
  return [tf.where(tf.any(hit, 1), loss, without), tf.concat([most, logSum], 1)];
}

function composedGradients(
  [logits, labels, lse]: readonly tf.Tensor[],
  [dloss]: readonly tf.Tensor[],
): tf.Tensor[] {
  const [rows, cols] = logits!.shape as [number, number];
  if (rows === 0) return [tf.clone(logits!)];
  const [most, logSum] = tf.split(lse!, 2, 1);
  const p = tf.exp(tf.sub(tf.sub(logits!, most!), logSum!));
  const slope = tf.sub(p, tf.cast(hits(labels!, cols), 'float32'));
  const dlogits = tf.mul(slope, tf.reshape(dloss!, [rows, 1]));
  const ignored = tf.equal(tf.reshape(labels!, [rows, 1]), IGNORED);
  return [tf.where(tf.broadcastTo(ignored, [rows, cols]), tf.zerosLike(dlogits), dlogits)];
}

function samples(): Sample[] {
  const sample = (rows: number, cols: number, scale = 3): Sample['tensors'] => ({
    logits: randomTensor([rows, cols], rows + cols, scale),
    labels: randomIntegers([rows], rows, IGNORED, cols),
  });
  const masked = sample(4, 9);
  const shapes: [number, number][] = [
    [3, 1],
    [4, 7],
    [5, 123],
    [1, 64],
    [2, 8191],
    [70, 33],
    [0, 5],
    [300, 260],
  ];
  for (const i of [1, 5, 13, 29]) masked.logits!.values[i] = Number.NEGATIVE_INFINITY;
  return [
    ...shapes.map(([rows, cols]) => ({ title: `[${rows}, ${cols}]`, tensors: sample(rows, cols) })),
    ...[1e-20, 1e3, 1e5, 1e30].map((scale) => ({
      title: `values of ${scale}`,
      tensors: sample(6, 40, scale),
    })),
    {
      title: 'no label',
      tensors: { ...sample(3, 8), labels: { shape: [3], values: new Float32Array(3).fill(IGNORED) } },
    },
    {
      title: 'huge: -Infinity among the logits',
      tensors: { ...masked, labels: randomIntegers([4], 4, 2, 4) },
    },
  ];
}

/** The row of softmax cross-entropy. */
export const crossentropyOp: Op<'crossentropy'> = {
  name: 'crossentropy',
  kernelName: 'CrossEntropy',
  label: 'Cross-entropy',
  source: 'https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html',
  inputs: ['logits', 'labels'],
  integers: ['labels'],
  outputs: ['loss', 'lse'],
  differentiable: ['loss'],
  kept: ['logits', 'labels', 'lse'],
  gradients: ['logits'],
  parameters: {},
  scalars: {},
  storage: 'any',
  f32: ['loss', 'lse'],
  reference: {
    forward: ({ logits, labels }) => forward(logits!, labels!),
    backward: ({ logits, labels }, [dloss]) => backward(logits!, labels!, dloss!),
  },
  composed,
  composedGradients,
  samples: () => inEveryStorage(crossentropyOp, samples()),
};

/**
 * Softmax cross-entropy of each row, in nats: log Σ exp(logits) - logits[label]. The mean over tokens is the caller's.
 * Logits may be huge, or -Infinity.
 *
 * @param logits float32 [rows, cols]
 * @param labels int32 [rows], from 0 to cols - 1; a row whose label is -1 has loss 0 and no gradient
 * @returns float32 [rows]
 * @throws {PolycomError} `INVALID_ARGUMENT` for shapes or dtypes that do not fit
 * @throws {Error} of the backend's for a label out of range, where it runs on the CPU; on a GPU the row's loss is NaN
 */
export function crossEntropy(logits: Input, labels: Input): tf.Tensor1D {
  return callOp('crossEntropy', crossentropyOp, { logits, labels }, {}, (tensors) => {
    const [rows, cols] = tensors.logits.shape;
    const { rank, size } = tensors.labels;
    if (tensors.logits.rank === 2 && cols !== 0 && rank === 1 && size === rows) return undefined;
    return 'labels must be [rows], logits [rows, cols], cols 1 or more';
  });
}
