import * as tf from '@tensorflow/tfjs-core';

/**
 * An inner function ρ, element by element, and its derivative. `parameter` is PReLU's slope.
 *
 * ρ(u) = u·factor(u), whose factor is bounded; or, if ρ itself is bounded, ρ(u) = factor(u). So a polynomial whose
 * powers overflow can be summed by Horner's rule, where ∞ - ∞ does not occur.
 */
export interface Inner {
  readonly bounded: boolean;
  readonly factor: (u: tf.Tensor, parameter?: tf.Tensor) => tf.Tensor;
  readonly derivative: (u: tf.Tensor, parameter?: tf.Tensor) => tf.Tensor;
}

const step = (u: tf.Tensor): tf.Tensor => tf.step(u);
const one = (u: tf.Tensor): tf.Tensor => tf.onesLike(u);
/** 1 - sigmoid(u), without its cancellation. */
const cosigmoid = (u: tf.Tensor): tf.Tensor => tf.sigmoid(tf.neg(u));
/** The distribution function of the standard normal. */
const normalCdf = (u: tf.Tensor): tf.Tensor => tf.mul(0.5, tf.add(1, tf.erf(tf.mul(u, Math.SQRT1_2))));
const normalDensity = (u: tf.Tensor): tf.Tensor =>
  tf.mul(1 / Math.sqrt(2 * Math.PI), tf.exp(tf.mul(-0.5, tf.square(u))));

function slopes(u: tf.Tensor, slope?: tf.Tensor): tf.Tensor {
  const positive = tf.step(u);
  return tf.add(positive, tf.mul(tf.sub(1, positive), slope!));
}

/** The names of the inner functions that work element by element. */
export type ElementwiseInner = 'identity' | 'relu' | 'prelu' | 'sigmoid' | 'tanh' | 'silu' | 'gelu';

/** The inner functions that work element by element. */
export const inners: Readonly<Record<ElementwiseInner, Inner>> = {
  identity: { bounded: false, factor: one, derivative: one },
  relu: { bounded: false, factor: step, derivative: step },
  prelu: { bounded: false, factor: slopes, derivative: slopes },
  sigmoid: {
    bounded: true,
    factor: (u) => tf.sigmoid(u),
    derivative: (u) => tf.mul(tf.sigmoid(u), cosigmoid(u)),
  },
  tanh: {
    bounded: true,
    factor: (u) => tf.tanh(u),
    // 1 - tanh², without its cancellation.
    derivative: (u) => tf.mul(4, tf.mul(tf.sigmoid(tf.mul(2, u)), cosigmoid(tf.mul(2, u)))),
  },
  silu: {
    bounded: false,
    factor: (u) => tf.sigmoid(u),
    derivative: (u) => tf.mul(tf.sigmoid(u), tf.add(1, tf.mul(u, cosigmoid(u)))),
  },
  gelu: {
    bounded: false,
    factor: normalCdf,
    derivative: (u) => tf.add(normalCdf(u), tf.mul(u, normalDensity(u))),
  },
};
