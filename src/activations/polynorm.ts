import * as tf from '@tensorflow/tfjs-core';
import { activation } from '../op/activation.js';
import { type Input, invalid } from '../op/check.js';
import { scalarsFrom } from '../op/options.js';
import { runOp } from '../op/run.js';
import { Sums } from '../op/sums.js';
import type { Op, Reference, Scalars, Values } from '../op/types.js';
import { ascending, coefficientInputs, polynomialParameters } from './coefficients.js';

/** How PolyNorm normalises a power: by its root mean square (the official code), or by its L2 norm (the paper's Eq. 3). */
export type Norm = 'rms' | 'l2';

// The scalar `norm` of the C ABI.
const NORMS: readonly Norm[] = ['rms', 'l2'];
const L2 = NORMS.indexOf('l2');

// y = b + Σ_p a_p n_p, n_p = x^p r_p, r_p = (mean(x^2p) + ε)^-1/2, or with a sum for the mean; weight = [a_R .. a_1].
const reference: Reference = {
  forward({ x, weight, bias }, scalars) {
    const y = new Sums(x!.values.length);
    for (const { from, row } of rowsOf(x!)) {
      const powers = normalisedPowers(row, weight!.values, scalars);
      for (const [j, xj] of row.entries()) {
        y.add(from + j, bias!.values[0]!);
        for (const { p, a, r } of powers) y.add(from + j, a * r * xj ** p);
      }
    }
    return [y];
  },
  // dx = Σ_p p a_p r_p x^(p-1) (g - n_p r_p S_p / H), S_p = Σ_k g_k x_k^p; da_p = Σ_rows r_p S_p; db = Σ g. L2: H is 1.
  backward({ x, weight }, [dy], scalars) {
    const { values: coefficients } = weight!;
    const [dx, dweight, dbias] = [new Sums(x!.values.length), new Sums(coefficients.length), new Sums(1)];
    for (const { from, row } of rowsOf(x!)) {
      const count = countOf(row.length, scalars);
      const g = dy!.subarray(from, from + row.length);
      for (const gk of g) dbias.add(0, gk);
      for (const { p, a, r } of normalisedPowers(row, coefficients, scalars)) {
        const s = new Sums(1);
        for (const [k, xk] of row.entries()) s.add(0, r * g[k]! * xk ** p);
        dweight.add(coefficients.length - p, s.value[0]!, s.terms[0]!);
        for (const [j, xj] of row.entries()) {
          const slope = p * a * r * xj ** (p - 1);
          const share = (r * xj ** p) / count;
          dx.add(from + j, slope * g[j]!);
          dx.add(from + j, -slope * share * s.value[0]!, Math.abs(slope * share) * s.terms[0]!);
        }
      }
    }
    return [dx, dweight, dbias];
  },
};

function* rowsOf({ shape, values }: Values): Generator<{ from: number; row: Float64Array }> {
  const cols = shape.at(-1)!;
  for (let from = 0; from < values.length; from += cols) {
    yield { from, row: values.subarray(from, from + cols) };
  }
}

/** What a row's sums are divided by. */
function countOf(cols: number, { norm }: Scalars): number {
  return norm === L2 ? 1 : cols;
}

/** Power p, its coefficient a and the reciprocal norm r of x^p; 0 for a row of zeros with ε = 0. */
function normalisedPowers(row: Float64Array, weight: Float64Array, scalars: Scalars) {
  const top = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const unit = top > 1e30 && top < Number.POSITIVE_INFINITY ? top : 1; // x^8 of the largest floats is no double
  return Array.from(weight, (_, i) => {
    const p = i + 1;
    const sum = row.reduce((total, value) => total + (value / unit) ** (2 * p), 0);
    const square = sum / countOf(row.length, scalars) + scalars.epsilon! / unit ** (2 * p);
    return { p, a: weight[weight.length - p]!, r: square === 0 ? 0 : 1 / Math.sqrt(square) / unit ** p };
  });
}

function composed([x, weight, bias]: readonly tf.Tensor[], scalars: Scalars): tf.Tensor {
  const powers = composedPowers(x!, weight!.size, scalars);
  const [first, ...higher] = ascending(weight!).map((a, i) => tf.mul(powers[i]!, a));
  return higher.reduce((y, term) => tf.add(y, term), tf.add(first!, tf.reshape(bias!, [])));
}

/**
 * PolyNorm's normalised powers n_1 to n_order out of tf ops. With z = n_1 = x / s, n_p is z^p / sqrt(mean(z^2p) + ε s^-2p):
 * the official code's number of operations, but it overflows at |x| = 1.8e19 where that does at 2.6e6.
 */
export function composedPowers(x: tf.Tensor, order: number, { epsilon, norm }: Scalars): tf.Tensor[] {
  const size = norm === L2 ? euclidean : rootMeanSquare;
  const s = size(x, epsilon!);
  const z = tf.div(x, s);
  const powers = [z];
  for (let power = z, p = 2; p <= order; ++p) {
    power = tf.mul(power, z);
    const damping = epsilon === 0 ? 0 : tf.pow(tf.div(epsilon! ** (1 / (2 * p)), s), 2 * p);
    powers.push(tf.div(power, size(power, damping)));
  }
  return powers;
}

/** sqrt(mean(x²) + ε) of each row, not 0 for a row of zeros with ε = 0. */
function rootMeanSquare(x: tf.Tensor, epsilon: tf.Tensor | number): tf.Tensor {
  return root(tf.mean(tf.square(x), -1, true), epsilon);
}

/** sqrt(Σ x² + ε) of each row, likewise. */
function euclidean(x: tf.Tensor, epsilon: tf.Tensor | number): tf.Tensor {
  return root(tf.sum(tf.square(x), -1, true), epsilon);
}

function root(square: tf.Tensor, epsilon: tf.Tensor | number): tf.Tensor {
  return tf.sqrt(tf.maximum(tf.add(square, epsilon), 1e-37));
}

const TORCH = `
y = 0
for a, power in zip(weight, powers(x, len(weight))):
    square = power.square()
    size = square.sum(-1, keepdim=True) if norm == "l2" else square.mean(-1, keepdim=True)
    y = y + a * (power * torch.rsqrt(size + epsilon))
return y + bias`;

/** The table's row of PolyNorm. */
export const polynormRow: Op<'polynorm'> = activation({
  name: 'polynorm',
  kernelName: 'PolyNorm',
  label: 'PolyNorm',
  source: 'arXiv 2411.03884',
  torch: TORCH,
  parameters: polynomialParameters,
  scalars: {
    epsilon: { default: 1e-6, also: [0], range: 'not negative' },
    norm: { default: 0, also: [L2], choices: NORMS },
  },
  reference,
  composed,
});

/** What PolyNorm may be told. */
export interface PolyNormOptions {
  /** Inside the root; 1e-6 by default. */
  readonly epsilon?: number;
  /** `rms` by default. */
  readonly norm?: Norm;
}

/**
 * PolyNorm (arXiv 2411.03884), as its official code defines it: y = b + Σ_p a_p x^p / sqrt(mean(x^2p) + ε), with the
 * mean over the last axis. One fused kernel forward and one backward where the backend has it.
 *
 * @param x float32, any shape of rank 1 or more
 * @param weight `[order]`, order 1 to 4, highest power first: [a_3, a_2, a_1]
 * @param bias a scalar
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape
 */
export function polyNorm<T extends tf.Tensor>(
  x: T | tf.TensorLike,
  weight: Input,
  bias: Input,
  options: PolyNormOptions = {},
): T {
  const scalars = scalarsFrom('polyNorm', polynormRow, options);
  return tf.tidy('polyNorm', () => {
    const inputs = coefficientInputs('polyNorm', x, weight, bias);
    if (inputs[0]!.rank === 0)
      throw invalid('polyNorm', 'x is a scalar; expected rank 1 or more', { x: inputs[0]! });
    return runOp<T>(polynormRow, inputs, scalars);
  });
}
