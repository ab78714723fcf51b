import * as tf from '@tensorflow/tfjs-core';
import { activation, elementwise } from '../op/activation.js';
import { callOp } from '../op/call.js';
import type { Op, Scalars } from '../op/types.js';
import { tanhSlope } from './situglu.js';

// y = c², c = max(x, 0), or s tanh(max(x, 0) / s) with a soft cap s; dx = 2 g c c'.
function value(x: number, { softcap: cap }: Scalars): number {
  const c = Math.max(x, 0);
  return (cap === 0 ? c : cap! * Math.tanh(c / cap!)) ** 2;
}

function slope(x: number, { softcap: cap }: Scalars): number[] {
  if (x <= 0) return [];
  return [cap === 0 ? 2 * x : 2 * cap! * Math.tanh(x / cap!) * tanhSlope(x / cap!)];
}

function composed([x]: readonly tf.Tensor[], { softcap: cap }: Scalars): tf.Tensor {
  const c = tf.relu(x!);
  return tf.square(cap === 0 ? c : tf.mul(tf.tanh(tf.div(c, cap!)), cap!));
}

const TORCH = `
c = torch.relu(x) if softcap == 0 else softcap * torch.tanh(torch.relu(x) / softcap)
return c.square()`;

/** The table's row of squared ReLU. */
export const relu2Row: Op<'relu2'> = activation({
  name: 'relu2',
  kernelName: 'Relu2',
  label: 'ReLU²',
  source: 'arXiv 2109.08668',
  torch: TORCH,
  scalars: { softcap: { default: 0, also: [20, 1.5], range: [0, 1e6] } },
  reference: elementwise(value, slope),
  composed,
});

/** What squared ReLU may be told. */
export interface Relu2Options {
  /** The limit that ReLU nears before it is squared; 0, for none, by default. */
  readonly softcap?: number;
}

/**
 * Squared ReLU (So et al. 2021, arXiv 2109.08668): y = max(x, 0)²; with a soft cap s, y = (s tanh(max(x, 0) / s))².
 *
 * @param x float32, any shape
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, or a soft cap that is not from 0 to 1e6
 */
export function relu2<T extends tf.Tensor>(x: T | tf.TensorLike, options: Relu2Options = {}): T {
  return callOp('relu2', relu2Row, { x }, options);
}
