import * as tf from '@tensorflow/tfjs-core';
import { activation } from '../op/activation.js';
import { type Factor, productReference } from '../op/gated.js';
import type { Op, Range } from '../op/types.js';
import { type Gated, runGated } from './gated.js';
import { logistic } from './silu.js';

/** The c of c tanh(x / c): its square is a float, and x / c one for almost all x. */
const SOFT_LIMIT: Range = [1e-6, 1e6];

/** The derivative of tanh, with all digits of its small values. */
export function tanhSlope(z: number): number {
  const e = Math.exp(-2 * Math.abs(z));
  return (4 * e) / (1 + e) ** 2;
}

// f = t s, t = β tanh(gate / β), s = σ(gate); f' = t' s + t s (1 - s).
const gate: Factor = {
  value: (x, { beta }) => [beta! * Math.tanh(x / beta!) * logistic(x)],
  slope: (x, { beta }) => [
    tanhSlope(x / beta!) * logistic(x),
    beta! * Math.tanh(x / beta!) * logistic(x) * logistic(-x),
  ],
};

const up: Factor = {
  value: (x, { linear }) => [linear! * Math.tanh(x / linear!)],
  slope: (x, { linear }) => [tanhSlope(x / linear!)],
};

function softly(x: tf.Tensor, limit: number): tf.Tensor {
  return tf.mul(tf.tanh(tf.div(x, limit)), limit);
}

const TORCH = `
t = beta * torch.tanh(gate / beta) * torch.sigmoid(gate)
return t * linear * torch.tanh(up / linear)`;

/** The table's row of SiTU-GLU. */
export const situGluRow: Op<'situglu'> = activation({
  name: 'situglu',
  kernelName: 'SituGlu',
  label: 'SiTU-GLU',
  source: 'https://github.com/MoonshotAI/Kimi-K3/blob/main/k3_tech_report.pdf',
  matrices: ['gate', 'up'],
  torch: TORCH,
  scalars: {
    beta: { default: 4, also: [1.5], range: SOFT_LIMIT },
    linear: { default: 25, also: [3], range: SOFT_LIMIT },
  },
  reference: productReference(gate, up),
  composed: ([x, y], { beta, linear }) =>
    tf.mul(tf.mul(softly(x!, beta!), tf.sigmoid(x!)), softly(y!, linear!)),
});

/** What SiTU-GLU may be told. */
export interface SituGluOptions {
  /** β, the limit that the gate nears; 4 by default. */
  readonly beta?: number;
  /** λ, the limit that up nears; 25 by default. */
  readonly linear?: number;
}

/**
 * SiTU-GLU, of Kimi K3 (its technical report, Eq. 12): y = β tanh(gate / β) σ(gate) · λ tanh(up / λ).
 *
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, a packed axis of odd length, or a
 *   limit that is not from 1e-6 to 1e6
 */
export function situGlu<T extends tf.Tensor>(x: Gated, options: SituGluOptions = {}): T {
  return runGated<T>('situGlu', situGluRow, x, options);
}
