import * as tf from '@tensorflow/tfjs-core';
import { activation, elementwise } from '../op/activation.js';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import type { Op, Scalars } from '../op/types.js';
import { erfc } from './erf.js';
import { logistic } from './silu.js';

/** GELU by the error function, or its approximation by tanh. */
export type GeluApproximation = 'none' | 'tanh';

// The scalar `approximate` of the C ABI.
const APPROXIMATIONS: readonly GeluApproximation[] = ['none', 'tanh'];
const TANH = APPROXIMATIONS.indexOf('tanh');

const ROOT_8_PI = Math.sqrt(8 / Math.PI);
const CUBIC = 0.044715;

// y = x s; exactly, s is the normal distribution function, else the logistic one of 2u = √(8/π) (x + 0.044715 x³).
function share(x: number, { approximate }: Scalars): number {
  if (approximate !== TANH) return erfc(-x * Math.SQRT1_2) / 2;
  return logistic(ROOT_8_PI * (x + CUBIC * x ** 3));
}

// dy/dx = s + x s'.
function slope(x: number, scalars: Scalars): number[] {
  const s = share(x, scalars);
  if (scalars.approximate !== TANH) return [s, (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI)];
  const rest = logistic(-ROOT_8_PI * (x + CUBIC * x ** 3));
  return s * rest === 0 ? [s] : [s, x * s * rest * ROOT_8_PI * (1 + 3 * CUBIC * x * x)];
}

function composed([x]: readonly tf.Tensor[], { approximate }: Scalars): tf.Tensor {
  const half = tf.mul(x!, 0.5);
  if (approximate !== TANH) return tf.mul(half, tf.add(tf.erf(tf.mul(x!, Math.SQRT1_2)), 1));
  // Beyond |x| = 20, tanh is ±1 in f32; the cube of what is larger would overflow.
  const near = tf.clipByValue(x!, -20, 20);
  const cube = tf.mul(tf.square(near), near);
  return tf.mul(half, tf.add(tf.tanh(tf.mul(tf.add(near, tf.mul(cube, CUBIC)), ROOT_8_PI / 2)), 1));
}

/** The table's row of GELU. */
export const geluRow: Op<'gelu'> = activation({
  name: 'gelu',
  kernelName: 'Gelu',
  label: 'GELU',
  source: 'arXiv 1606.08415',
  torch: 'F.gelu(x, approximate=approximate)',
  scalars: { approximate: { default: 0, also: [TANH], choices: APPROXIMATIONS } },
  reference: elementwise((x, scalars) => x * share(x, scalars), slope),
  composed,
});

/** What GELU may be told. */
export interface GeluOptions {
  /** `none`, the exact one, by default. */
  readonly approximate?: GeluApproximation;
}

/**
 * GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415): y = x P(x), P the normal distribution function.
 *
 * @param x float32, any shape
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype
 */
export function gelu<T extends tf.Tensor>(x: T | Input, options: GeluOptions = {}): T {
  return callOp('gelu', geluRow, { x }, options);
}
