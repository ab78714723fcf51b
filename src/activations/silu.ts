import * as tf from '@tensorflow/tfjs-core';
import { activation, elementwise } from '../op/activation.js';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import type { Op } from '../op/types.js';

/** 1 / (1 + e^-x). */
export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** The table's row of SiLU. */
export const siluRow: Op<'silu'> = activation({
  name: 'silu',
  kernelName: 'Silu',
  label: 'SiLU',
  source: 'arXiv 1702.03118',
  torch: 'F.silu(x)',
  // y = x s, s = 1 / (1 + e^-x); dx = g s (1 + x (1 - s)).
  reference: elementwise(
    (x) => x * logistic(x),
    (x) => [logistic(x), x * logistic(x) * logistic(-x)],
  ),
  composed: ([x]) => tf.mul(x!, tf.sigmoid(x!)),
});

/**
 * SiLU, or Swish (Elfwing et al. 2017, arXiv 1702.03118): y = x / (1 + e^-x).
 *
 * @param x float32, any shape
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype
 */
export function silu<T extends tf.Tensor>(x: T | Input): T {
  return callOp('silu', siluRow, { x });
}
