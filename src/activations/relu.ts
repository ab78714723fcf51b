import * as tf from '@tensorflow/tfjs-core';
import { activation, elementwise } from '../op/activation.js';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import type { Op } from '../op/types.js';

/** The table's row of ReLU. */
export const reluRow: Op<'relu'> = activation({
  name: 'relu',
  kernelName: 'FusedRelu', // tfjs has a kernel 'Relu'
  label: 'ReLU',
  source: 'https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf',
  torch: 'torch.relu(x)',
  // y = max(x, 0); dx = 0 where x <= 0, else g.
  reference: elementwise(
    (x) => Math.max(x, 0),
    (x) => (x <= 0 ? [] : [1]),
  ),
  composed: ([x]) => tf.relu(x!),
});

/**
 * ReLU: y = max(x, 0).
 *
 * @param x float32, any shape
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype
 */
export function relu<T extends tf.Tensor>(x: T | Input): T {
  return callOp('relu', reluRow, { x });
}
