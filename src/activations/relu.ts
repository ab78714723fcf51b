import * as tf from '@tensorflow/tfjs-core';
import { asTensor, type Input } from '../op/check.js';
import { elementwiseReference } from '../op/reference.js';
import { runOp } from '../op/run.js';
import type { FusedOp } from '../op/types.js';

/** The table's row of ReLU. */
export const reluRow: FusedOp<'relu'> = {
  name: 'relu',
  kernelName: 'FusedRelu', // tfjs has a kernel 'Relu'
  inputs: ['x'],
  scalars: [],
  // y = max(x, 0); dx = 0 where x <= 0, else g.
  reference: elementwiseReference(
    (x) => Math.max(x, 0),
    (x) => [x <= 0 ? 0 : 1],
  ),
  composed: ([x]) => tf.relu(x!),
};

/**
 * ReLU: y = max(x, 0).
 *
 * @param x float32, any shape
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype
 */
export function relu<T extends tf.Tensor>(x: T | Input): T {
  return tf.tidy('relu', () => runOp<T>(reluRow, [asTensor('relu', 'x', x)], {}));
}
