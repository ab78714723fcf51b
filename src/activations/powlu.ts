import * as tf from '@tensorflow/tfjs-core';
import { activation } from '../op/activation.js';
import { productReference } from '../op/gated.js';
import type { Op, Scalars } from '../op/types.js';
import { type Gated, runGated } from './gated.js';
import { logistic } from './silu.js';

// Above 0: f = x^a σ, a = m / (√x + 1), and with w = √x / (√x + 1), f' = σ x^(a-1) (a - a w ln(x) / 2 + x (1 - σ)).
function parts(given: number, m: number): { x: number; a: number; w: number; ln: number } {
  const x = Math.min(given, Number.MAX_VALUE); // where f of infinity, 1, is reached
  const root = Math.sqrt(x);
  return { x, a: m / (root + 1), w: root / (root + 1), ln: Math.log(x) };
}

function value(given: number, { exponent }: Scalars): number[] {
  if (!(given > 0)) return [given * logistic(given)];
  const { x, a } = parts(given, exponent!);
  return [x ** a * logistic(x)];
}

function slope(given: number, { exponent }: Scalars): number[] {
  if (!(given > 0)) return [logistic(given), given * logistic(given) * logistic(-given)];
  const { x, a, w, ln } = parts(given, exponent!);
  const scale = x ** (a - 1) * logistic(x);
  return [scale * a, -0.5 * scale * a * w * ln, scale * x * logistic(-x)];
}

/** The least gate whose logarithm the composition takes. */
const LEAST = 1e-30;

function composed([gate, up]: readonly tf.Tensor[], { exponent }: Scalars): tf.Tensor {
  const near = tf.maximum(gate!, LEAST);
  const a = tf.div(exponent!, tf.add(tf.sqrt(near), 1));
  const power = tf.mul(tf.step(gate!), tf.exp(tf.mul(a, tf.log(near))));
  return tf.mul(tf.mul(tf.add(power, tf.minimum(gate!, 0)), tf.sigmoid(gate!)), up!);
}

const TORCH = `
near = torch.where(gate > 0, gate, 1)
power = near ** (exponent / (torch.sqrt(near) + 1))
return torch.where(gate > 0, power, gate) * torch.sigmoid(gate) * up`;

/** The table's row of PowLU. */
export const powLuRow: Op<'powlu'> = activation({
  name: 'powlu',
  kernelName: 'PowLu',
  label: 'PowLU',
  source: 'arXiv 2605.25704',
  torch: TORCH,
  matrices: ['gate', 'up'],
  scalars: { exponent: { default: 3, also: [1, 2], range: [1, 10] } },
  reference: productReference({ value, slope }, { value: (up) => [up], slope: () => [1] }),
  composed,
});

/** What PowLU may be told. */
export interface PowLuOptions {
  /** m, from 1 to 10; 3 by default. */
  readonly exponent?: number;
}

/**
 * PowLU (Jiang et al. 2026, arXiv 2605.25704), of Ling: y = f(gate) · up, f(x) = x^(m / (√x + 1)) σ(x) for x > 0, and
 * x σ(x) for the others.
 *
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, a packed axis of odd length, or an
 *   exponent that is not from 1 to 10
 */
export function powLu<T extends tf.Tensor>(x: Gated, options: PowLuOptions = {}): T {
  return runGated<T>('powLu', powLuRow, x, options);
}
