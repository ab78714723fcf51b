import * as tf from '@tensorflow/tfjs-core';
import { checkFields, type Fields, real } from '../common/fields.js';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import { inEveryStorage, randomTensor } from '../op/sample.js';
import { Sums } from '../op/sums.js';
import type { Op, Sample, Scalars, Values } from '../op/types.js';
import { dropoutMask } from './philox.js';

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

function samples(): Sample[] {
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
export const dropoutOp: Op<'dropout'> = {
  name: 'dropout',
  kernelName: 'Dropout',
  label: 'Dropout',
  source: 'arXiv 1207.0580',
  inputs: ['x', 'seed'],
  integers: ['seed'],
  outputs: ['y'],
  differentiable: ['y'],
  kept: ['seed'],
  gradients: ['x'],
  parameters: {},
  scalars: { rate: { default: 0, also: [0.1] } },
  storage: 'any',
  reference: {
    forward: ({ x, seed }, scalars) => [masked(x!.values, seed!, scalars)],
    backward: ({ seed }, [dy], scalars) => [masked(dy!, seed!, scalars)],
  },
  composed: ([x, seed], scalars) => [composed(x!, seed!, scalars)],
  composedGradients: ([seed], [dy], scalars) => [composed(dy!, seed!, scalars)],
  samples: () => inEveryStorage(dropoutOp, samples()),
};

/** What dropout is told. */
export interface DropoutOptions {
  /** The share of zeros: from 0 up to, without, 1. */
  readonly rate: number;
}

const FIELDS: Fields<DropoutOptions> = {
  rate: real('a number from 0 to below 1', (value) => value >= 0 && Math.fround(value) < 1),
};

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
  checkFields('dropout', 'option', options, FIELDS);
  return callOp('dropout', dropoutOp, { x, seed }, options, (tensors) =>
    tensors.seed.rank === 1 && tensors.seed.size === 2 ? undefined : 'seed must be [2]',
  );
}
