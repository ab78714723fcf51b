import * as tf from '@tensorflow/tfjs-core';
import { Sums } from '../op/reference.js';
import type { FusedOp, Reference } from '../op/types.js';

/** An activation of today's TensorFlow.js, to stand beside the package's own. */
export interface StockOp extends Pick<FusedOp, 'name' | 'inputs' | 'scalars' | 'reference' | 'composed'> {
  readonly label: string;
}

/** tfjs-node's activations: its own op where it has one, else what its users write. */
export const stockOps: readonly StockOp[] = [
  stock('relu', 'tf.relu', relu, (x) => (x > 0 ? 1 : 0), tf.relu),
  stock('gelu', 'GELU (erf)', gelu, geluSlope, (x) =>
    tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
  ),
  stock('gelu_tanh', 'GELU (tanh)', geluTanh, geluTanhSlope, (x) =>
    tf.mul(
      tf.mul(x, 0.5),
      tf.add(tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), CUBIC)), ROOT_2_PI)), 1),
    ),
  ),
  stock(
    'silu',
    'SiLU',
    (x) => x * sigmoid(x),
    (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    (x) => tf.mul(x, tf.sigmoid(x)),
  ),
];

const CUBIC = 0.044715;
const ROOT_2_PI = Math.sqrt(2 / Math.PI);

function stock(
  name: string,
  label: string,
  value: (x: number) => number,
  slope: (x: number) => number,
  apply: (x: tf.Tensor) => tf.Tensor,
): StockOp {
  const reference: Reference = {
    forward: ({ tensors: { x } }) => elementwise(x!, value),
    backward: ({ tensors: { x } }, dy) => [elementwise(x!, (xj, j) => dy[j]! * slope(xj))],
  };
  return { name, label, inputs: ['x'], scalars: [], reference, composed: ([x]) => apply(x!) };
}

function elementwise(x: Float64Array, f: (xj: number, j: number) => number): Sums {
  const sums = new Sums(x.length);
  for (const [j, xj] of x.entries()) sums.add(j, f(xj, j));
  return sums;
}

function relu(x: number): number {
  return Math.max(x, 0);
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

function geluSlope(x: number): number {
  return 0.5 * (1 + erf(x * Math.SQRT1_2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}

function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(ROOT_2_PI * (x + CUBIC * x ** 3)));
}

function geluTanhSlope(x: number): number {
  const t = Math.tanh(ROOT_2_PI * (x + CUBIC * x ** 3));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT_2_PI * (1 + 3 * CUBIC * x * x);
}

/** Abramowitz and Stegun 7.1.26, within 1.5e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const polynomial =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
}
