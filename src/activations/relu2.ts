import * as tf from '@tensorflow/tfjs-core';
import { asTensor } from '../op/check.js';
import { elementwiseReference } from '../op/reference.js';
import { runOp } from '../op/run.js';
import type { FusedOp } from '../op/types.js';

/** The table's row of squared ReLU. */
export const relu2Row: FusedOp<'relu2'> = {
  name: 'relu2',
  kernelName: 'Relu2',
  inputs: ['x'],
  scalars: [],
  // y = max(x, 0)²; dx = 2 g max(x, 0).
  reference: elementwiseReference(
    (x) => Math.max(x, 0) ** 2,
    (x) => [x <= 0 ? 0 : 2 * x],
  ),
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
