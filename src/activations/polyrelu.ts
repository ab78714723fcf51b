import * as tf from '@tensorflow/tfjs-core';
import { activation } from '../op/activation.js';
import type { Input } from '../op/check.js';
import { runOp } from '../op/run.js';
import { Sums } from '../op/sums.js';
import type { Op, Reference } from '../op/types.js';
import { ascending, coefficientInputs, polynomialParameters } from './coefficients.js';

// y = b + Σ_p a_p s^p, s = max(x, 0); weight = [a_R .. a_1]. By Horner's rule infinity gives the leading term's, where
// the sum of the terms may be ∞ - ∞.
const reference: Reference = {
  forward({ x, weight, bias }) {
    const y = new Sums(x!.values.length);
    const coefficients = [...weight!.values, bias!.values[0]!];
    const sizes = coefficients.map(Math.abs);
    for (const [j, xj] of x!.values.entries()) {
      const s = Math.max(xj, 0);
      y.add(j, horner(coefficients, s), horner(sizes, s));
    }
    return [y];
  },
  // dx = g Σ_p p a_p s^(p-1) where x > 0; da_p = Σ g s^p; db = Σ g.
  backward({ x, weight }, [dy]) {
    const { values: a } = weight!;
    const [dx, dweight, dbias] = [new Sums(x!.values.length), new Sums(a.length), new Sums(1)];
    const slopes = a.map((ai, i) => (a.length - i) * ai);
    for (const [j, xj] of x!.values.entries()) {
      const g = dy![j]!;
      dbias.add(0, g);
      if (!(xj <= 0)) dx.add(j, g * horner(slopes, xj), Math.abs(g * horner(slopes.map(Math.abs), xj)));
      for (const i of a.keys()) dweight.add(i, g * Math.max(xj, 0) ** (a.length - i));
    }
    return [dx, dweight, dbias];
  },
};

/** The polynomial of these coefficients, highest power first. */
function horner(coefficients: ArrayLike<number>, s: number): number {
  return Array.from(coefficients).reduce((sum, a) => sum * s + a);
}

function composed([x, weight, bias]: readonly tf.Tensor[]): tf.Tensor {
  const s = tf.relu(x!);
  const polynomial = ascending(weight!).reduceRight((y, a) => tf.add(tf.mul(y, s), a));
  return tf.add(tf.mul(polynomial, s), tf.reshape(bias!, []));
}

const TORCH = 'sum(a * power for a, power in zip(weight, powers(torch.relu(x), len(weight)))) + bias';

/** The table's row of PolyReLU. */
export const polyreluRow: Op<'polyrelu'> = activation({
  name: 'polyrelu',
  kernelName: 'PolyRelu',
  label: 'PolyReLU',
  source: 'arXiv 2411.03884',
  torch: TORCH,
  parameters: polynomialParameters,
  reference,
  composed,
});

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
  return tf.tidy('polyRelu', () => runOp<T>(polyreluRow, coefficientInputs('polyRelu', x, weight, bias)));
}
