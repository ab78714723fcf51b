import * as tf from '@tensorflow/tfjs-core';
import type { Input } from '../op/check.js';
import { Sums } from '../op/reference.js';
import { runOp } from '../op/run.js';
import type { FusedOp, Reference } from '../op/types.js';
import { ascending, coefficientInputs } from './coefficients.js';

// y = b + Σ_p a_p s^p, s = max(x, 0); weight = [a_R .. a_1].
const reference: Reference = {
  forward({ tensors: { x, weight, bias } }) {
    const y = new Sums(x!.length);
    for (const [j, xj] of x!.entries()) {
      y.add(j, bias![0]!);
      for (const [i, a] of weight!.entries()) y.add(j, a * Math.max(xj, 0) ** (weight!.length - i));
    }
    return y;
  },
  // dx = g Σ_p p a_p s^(p-1) where x > 0; da_p = Σ g s^p; db = Σ g.
  backward({ tensors: { x, weight } }, dy) {
    const [dx, dweight, dbias] = [new Sums(x!.length), new Sums(weight!.length), new Sums(1)];
    for (const [j, xj] of x!.entries()) {
      dbias.add(0, dy[j]!);
      for (const [i, a] of weight!.entries()) {
        const p = weight!.length - i;
        if (!(xj <= 0)) dx.add(j, dy[j]! * p * a * xj ** (p - 1));
        dweight.add(i, dy[j]! * Math.max(xj, 0) ** p);
      }
    }
    return [dx, dweight, dbias];
  },
};

function composed([x, weight, bias]: readonly tf.Tensor[]): tf.Tensor {
  const s = tf.relu(x!);
  const polynomial = ascending(weight!).reduceRight((y, a) => tf.add(tf.mul(y, s), a));
  return tf.add(tf.mul(polynomial, s), tf.reshape(bias!, []));
}

/** The table's row of PolyReLU. */
export const polyreluRow: FusedOp<'polyrelu'> = {
  name: 'polyrelu',
  kernelName: 'PolyRelu',
  inputs: ['x', 'weight', 'bias'],
  scalars: [],
  reference,
  composed,
};

/**
 * PolyReLU (arXiv 2411.03884): y = b + Σ_p a_p max(x, 0)^p, element by element. One fused kernel forward and one
 * backward where the backend has it.
 *
 * @param x float32, any shape
 * @param weight `[order]`, order 1 to 4, highest power first: [a_3, a_2, a_1]
 * @param bias a scalar
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape
 */
export function polyRelu<T extends tf.Tensor>(x: T | tf.TensorLike, weight: Input, bias: Input): T {
  return tf.tidy('polyRelu', () => runOp<T>(polyreluRow, coefficientInputs('polyRelu', x, weight, bias), {}));
}
