import * as tf from '@tensorflow/tfjs-core';
import { asTensor } from '../op/check.js';
import { Sums } from '../op/reference.js';
import { runOp } from '../op/run.js';
import type { FusedOp, Reference } from '../op/types.js';

// y = max(x, 0)²; dx = 2 g max(x, 0).
const reference: Reference = {
  forward({ tensors: { x } }) {
    const y = new Sums(x!.length);
    for (const [j, xj] of x!.entries()) y.add(j, Math.max(xj, 0) ** 2);
    return y;
  },
  backward({ tensors: { x } }, dy) {
    const dx = new Sums(x!.length);
    for (const [j, xj] of x!.entries()) dx.add(j, xj <= 0 ? 0 : 2 * dy[j]! * xj);
    return [dx];
  },
};

/** The table's row of squared ReLU. */
export const relu2Row: FusedOp = {
  name: 'relu2',
  kernelName: 'Relu2',
  inputs: ['x'],
  scalars: [],
  reference,
  composed: ([x]) => tf.square(tf.relu(x!)),
};

/**
 * Squared ReLU (So et al. 2021, arXiv 2109.08668): y = max(x, 0)².
 *
 * @param x float32, any shape
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype
 */
export function relu2<T extends tf.Tensor>(x: T | tf.TensorLike): T {
  return tf.tidy('relu2', () => runOp<T>(relu2Row, [asTensor('relu2', 'x', x)], {}));
}
