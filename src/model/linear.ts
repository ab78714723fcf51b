import * as tf from '@tensorflow/tfjs-core';
import { sizeOf } from '../native/dtype.js';

/** x Wᵀ: [rows, in] by a weight [out, in]. */
export function linear(x: tf.Tensor, weight: tf.Tensor): tf.Tensor2D {
  return tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D, false, true);
}

/** The gradient for x: dy W. */
export function linearInput(dy: tf.Tensor, weight: tf.Tensor): tf.Tensor2D {
  return tf.matMul(dy as tf.Tensor2D, weight as tf.Tensor2D);
}

/** The gradient for the weight: dyᵀ x. */
export function linearWeight(dy: tf.Tensor, x: tf.Tensor): tf.Tensor2D {
  return tf.matMul(dy as tf.Tensor2D, x as tf.Tensor2D, true, false);
}

/** The sum of the gradients that a tensor gets, of which it disposes. */
export function total(gradients: tf.Tensor[]): tf.Tensor {
  if (gradients.length === 1) return gradients[0]!;
  const sum = tf.addN(gradients);
  tf.dispose(gradients);
  return sum;
}

/** The mean of all numbers. tfjs's own gradient of it uploads a tensor of ones of x's size. */
export function meanOf(x: tf.Tensor): tf.Scalar {
  const mean = tf.customGrad((...given) => ({
    value: tf.mean(given[0] as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => tf.tidy(() => spread(dy, x.shape)),
  }));
  return mean(x) as tf.Scalar;
}

/** The gradient of a mean for each number, from that of the mean. */
export function spread(dmean: tf.Tensor, shape: number[]): tf.Tensor {
  return tf.tidy(() => {
    const one = tf.div(dmean, sizeOf(shape));
    return tf.tile(tf.reshape(one, new Array<number>(shape.length).fill(1)), shape);
  });
}
