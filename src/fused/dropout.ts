import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../errors.js';
import { asIntegers, asTensor, type Input, invalid } from '../op/check.js';
import { Sums } from '../op/reference.js';
import type { Scalars } from '../op/types.js';
import { checkNames, type Names } from '../options.js';
import { dropoutMask } from './philox.js';
import { runFused } from './run.js';
import { randomTensor } from './sample.js';
import type { OpSample, TransformerOp, Values } from './types.js';

function masked(x: Float64Array, seed: Values, { rate }: Scalars): Sums {
  const y = new Sums(x.length);
  const mask = dropoutMask([seed.values[0]!, seed.values[1]!], rate!, x.length);
  for (const [i, value] of x.entries()) y.add(i, value * mask[i]!);
  return y;
}

/** tf has no product of 64 bits: the mask is made here. */
function composed(x: tf.Tensor, seed: tf.Tensor, { rate }: Scalars): tf.Tensor {
  const [low, high] = seed.dataSync();
  return tf.mul(x, tf.tensor(dropoutMask([low!, high!], rate!, x.size), x.shape));
}

function samples(): OpSample[] {
  const shapes = [[1], [5, 3], [2, 4, 8], [65], [7, 37], [130, 130], [0, 3], []];
  const seeds = [
    [1, 2],
    [-5, 0],
    [0, -(2 ** 31)],
  ];
  const seedOf = (i: number) => ({ shape: [2], values: Float32Array.from(seeds[i % seeds.length]!) });
  const x = randomTensor([3, 50], 3);
  return [
    ...shapes.map((shape, i) => ({
      title: `[${shape}]`,
      tensors: { x: randomTensor(shape, i), seed: seedOf(i) },
      scalars: { rate: 0.1 },
    })),
    ...[0, 0.5, 0.97].map((rate) => ({
      title: `rate ${rate}`,
      tensors: { x, seed: seedOf(0) },
      scalars: { rate },
    })),
    { title: 'values of 1e30', tensors: { x: randomTensor([9, 9], 1, 1e30), seed: seedOf(1) } },
  ];
}

/** The row of dropout. */
export const dropoutOp: TransformerOp = {
  name: 'dropout',
  kernelName: 'Dropout',
  inputs: ['x', 'seed'],
  integers: ['seed'],
  outputs: ['y'],
  differentiable: ['y'],
  kept: ['seed'],
  gradients: ['x'],
  scalars: { rate: 0 },
  reference: {
    forward: ({ x, seed }, scalars) => [masked(x!.values, seed!, scalars)],
    backward: ({ seed }, [dy], scalars) => [masked(dy!, seed!, scalars)],
  },
  composed: ([x, seed], scalars) => [composed(x!, seed!, scalars)],
  composedGradients: ([seed], [dy], scalars) => [composed(dy!, seed!, scalars)],
  samples,
};

/** What dropout is told. */
export interface DropoutOptions {
  /** The share of zeros: from 0 up to, without, 1. */
  readonly rate: number;
}

const OPTIONS: Names<DropoutOptions> = { rate: true };

/**
 * Dropout: each element is, with probability `rate`, multiplied by 0, else by 1 / (1 - rate). Which ones, the seed and
 * the element's index alone decide, on every device, so that the gradient needs no mask, and a seed gives the same
 * always. Use another seed for each call.
 *
 * @param x float32, any shape
 * @param seed int32 [2]: any two numbers
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for a shape, dtype or rate that does not fit
 */
export function dropout<T extends tf.Tensor>(x: T | Input, seed: Input, options: DropoutOptions): T {
  checkNames('dropout', options, OPTIONS);
  const { rate } = options;
  return tf.tidy('dropout', () => {
    if (!(rate >= 0 && Math.fround(rate) < 1)) {
      throw new PolycomError('INVALID_ARGUMENT', `rate is ${rate}; expected 0 or more, and less than 1`, {
        op: 'dropout',
      });
    }
    const tensors = { x: asTensor('dropout', 'x', x), seed: asIntegers('dropout', 'seed', seed) };
    if (tensors.seed.rank !== 1 || tensors.seed.size !== 2)
      throw invalid('dropout', 'seed must be [2]', tensors);
    return runFused<T>(dropoutOp, [tensors.x, tensors.seed], { rate });
  });
}
