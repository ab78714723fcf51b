import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from '../op/run.js';
import type { Pass } from '../op/types.js';

const shared = { scalars: {}, packed: false, integers: [], list: true };

const SQUARE_SUM: Pass = {
  ...shared,
  native: 'squaresum',
  kernelName: 'SquareSum',
  inputs: ['tensors'],
  outputs: ['sum'],
};
const ADAMW: Pass = {
  ...shared,
  native: 'adamw',
  kernelName: 'FusedAdamW',
  inputs: ['hyper', 'tensors'],
  outputs: [],
  inPlace: 'tensors',
};

/**
 * The optimizer's two passes, as the hosts register them. They are no rows of the table: neither has a gradient, both take
 * any number of tensors, and AdamW writes in place, so that a row's kept tensors, backward pass and reference would be
 * fields that mean nothing.
 */
export const optimizerPasses: readonly Pass[] = [SQUARE_SUM, ADAMW];

/** The most tensors that a call is given: what the C ABI's argument block holds, in whole fours. */
const MOST_TENSORS = 1000;

/** The data that a variable got from {@link makeOwn}: no array and no other TensorFlow buffer is behind it. */
const own = new WeakSet<object>();

/** What a step of AdamW is told, beside its tensors. */
export interface AdamWRates {
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Decoupled, per unit of the learning rate. */
  readonly weightDecay: number;
  /** What gradients are multiplied by: for clipping, and for the mean of several. */
  readonly scale: number;
  /** The step's number, from 1: what the moments are corrected for. */
  readonly step: number;
}

/** A parameter and what belongs to it, of one shape. */
export interface AdamWTensors {
  readonly parameter: tf.Variable;
  readonly gradient: tf.Tensor;
  readonly m: tf.Variable;
  readonly v: tf.Variable;
}

/**
 * The sum of the squares of all elements of the tensors: the square of their global norm.
 *
 * @param tensors float32, any shapes
 * @returns a scalar
 */
export function squareSum(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy('squareSum', () => {
    const parts = cut(tensors, MOST_TENSORS).map((some) =>
      hasKernel(SQUARE_SUM.kernelName)
        ? (runKernel(SQUARE_SUM, some)[0] as tf.Scalar)
        : tf.addN(some.map((tensor) => tf.sum(tf.square(tensor)))),
    );
    if (parts.length === 0) return tf.scalar(0);
    return (parts.length === 1 ? parts[0]! : tf.addN(parts)) as tf.Scalar;
  });
}

/**
 * A step of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) as PyTorch takes it. With g the scaled gradient:
 * p ← p - lr · decay · p; m ← β1 m + (1 - β1) g; v ← β2 v + (1 - β2) g²;
 * p ← p - lr · (m / (1 - β1^t)) / (√v / √(1 - β2^t) + ε).
 *
 * Where it is fused, parameters and moments are written in place, in memory of their own: one that shares its own with
 * the array or the tensor it was made of, with a clone or another variable, is given a copy first. What is made later of
 * a parameter, and shares its memory without tfjs's knowing, changes with it: a `reshape()` in tfjs-node.
 */
export function adamWStep(tensors: readonly AdamWTensors[], rates: AdamWRates): void {
  if (!hasKernel(ADAMW.kernelName)) {
    composedStep(tensors, rates);
    return;
  }
  for (const { parameter, m, v } of tensors) for (const variable of [parameter, m, v]) makeOwn(variable);
  tf.tidy(() => {
    const hyper = tf.tensor1d(hyperOf(rates));
    for (const some of cut(tensors, MOST_TENSORS / 4)) {
      const given = some.flatMap(({ parameter, gradient, m, v }) => [parameter, gradient, m, v]);
      const written = runKernel(ADAMW, [hyper, ...given]);
      for (const [i, { parameter, m, v }] of some.entries()) {
        takeWritten(parameter, written[4 * i]!);
        takeWritten(m, written[4 * i + 2]!);
        takeWritten(v, written[4 * i + 3]!);
      }
    }
  });
}

/** Has a variable go on as the tensor that its memory was given as anew. */
function takeWritten(variable: tf.Variable, written: tf.Tensor): void {
  variable.assign(written);
  own.add(variable.dataId);
}

/**
 * Gives a variable memory that nothing else has. tfjs shares a tensor's data with its clones and with variables made of
 * it, and tfjs-node an array's memory with the tensor made of it, where its alignment is TensorFlow's.
 */
function makeOwn(variable: tf.Variable): void {
  if (own.has(variable.dataId) && tf.backend().refCount(variable.dataId) === 1) return;
  // Through an array, since tf's own copies either share memory or flush subnormals.
  const values = variable.dataSync<'float32'>().slice();
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
  own.add(variable.dataId);
}

function hyperOf({ learningRate, betas: [beta1, beta2], epsilon, weightDecay, scale, step }: AdamWRates) {
  const corrections = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
  return Float32Array.of(
    ...[learningRate, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, weightDecay, scale, ...corrections],
  );
}

function composedStep(tensors: readonly AdamWTensors[], rates: AdamWRates): void {
  const { learningRate, betas, epsilon, weightDecay, scale, step } = rates;
  const [beta1, beta2] = betas;
  const size = learningRate / (1 - beta1 ** step);
  const root = Math.sqrt(1 - beta2 ** step);
  for (const { parameter, gradient, m, v } of tensors) {
    tf.tidy(() => {
      const g = tf.mul(gradient, scale);
      const first = tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1));
      const second = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2));
      const kept = tf.mul(parameter, 1 - learningRate * weightDecay);
      const move = tf.div(tf.mul(first, size), tf.add(tf.div(tf.sqrt(second), root), epsilon));
      m.assign(first);
      v.assign(second);
      parameter.assign(tf.sub(kept, move));
    });
  }
}

function cut<T>(all: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, i) => all.slice(i * most, (i + 1) * most));
}
