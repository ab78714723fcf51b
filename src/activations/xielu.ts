import * as tf from '@tensorflow/tfjs-core';
import { activation } from '../op/activation.js';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import { Sums } from '../op/sums.js';
import type { Op, Reference, Scalars, ValuesByName } from '../op/types.js';
import { logistic } from './silu.js';

/** Of x below 0, the exponential is taken of what is no more than this. */
const EPSILON = -1e-6;

const softplus = (p: number): number => Math.max(p, 0) + Math.log1p(Math.exp(-Math.abs(p)));
const lessOne = (x: number): number => Math.expm1(Math.min(x, EPSILON));

interface Curve {
  /** α_p, and α_n - β. */
  readonly positive: number;
  readonly slack: number;
}

function curveOf({ alpha_p: p, alpha_n: n }: ValuesByName): Curve {
  return { positive: softplus(p!.values[0]!), slack: softplus(n!.values[0]!) };
}

// x > 0: y = α_p x² + β x; else y = α_n expm1(min(x, ε)) - (α_n - β) x, which overflows only where y does.
// dx = g (2 α_p x + β) or g (α_n expm1(min(x, ε)) + β): the paper's derivative, which ε does not cut off.
const reference: Reference = {
  forward(tensors, { beta }) {
    const { positive, slack } = curveOf(tensors);
    const { values: x } = tensors.x!;
    const y = new Sums(x.length);
    for (const [j, xj] of x.entries()) {
      const terms = xj > 0 ? [positive * xj * xj, beta! * xj] : [(beta! + slack) * lessOne(xj), -slack * xj];
      for (const term of terms) y.add(j, term);
    }
    return [y];
  },
  backward(tensors, [dy], { beta }) {
    const { positive, slack } = curveOf(tensors);
    const { values: x } = tensors.x!;
    const [dx, sums] = [new Sums(x.length), { p: new Sums(1), n: new Sums(1) }];
    for (const [j, xj] of x.entries()) {
      const g = dy![j]!;
      dx.add(j, g * (xj > 0 ? 2 * positive * xj : (beta! + slack) * lessOne(xj)));
      dx.add(j, g * beta!);
      if (xj > 0) sums.p.add(0, g * xj * xj);
      else for (const term of [g * lessOne(xj), -g * xj]) sums.n.add(0, term);
    }
    return [dx, learned(sums.p, tensors.alpha_p!.values[0]!), learned(sums.n, tensors.alpha_n!.values[0]!)];
  },
};

/** A parameter's gradient from that of its softplus. */
function learned({ value, terms }: Sums, parameter: number): Sums {
  const gradient = new Sums(1);
  gradient.add(0, value[0]! * logistic(parameter), terms[0]! * logistic(parameter));
  return gradient;
}

/** min(x, most), with a derivative that has one in turn, as tfjs's has not. */
function atMost(x: tf.Tensor, most: number, derivative: (x: tf.Tensor) => tf.Tensor): tf.Tensor {
  const op = tf.customGrad((given, save) => {
    (save as tf.GradSaveFunc)([given as tf.Tensor]);
    const gradFunc = (dy: tf.Tensor, [saved]: tf.Tensor[]) => tf.mul(dy, derivative(saved!));
    return { value: tf.minimum(given as tf.Tensor, most), gradFunc };
  });
  return op(x);
}

function composed([x, p, n]: readonly tf.Tensor[], { beta }: Scalars): tf.Tensor {
  const [positive, slack] = [p!, n!].map((parameter) => tf.softplus(tf.reshape(parameter, [])));
  const above = tf.mul(tf.relu(x!), tf.add(tf.mul(positive!, tf.relu(x!)), beta!));
  const side = (of: tf.Tensor) => tf.sub(1, tf.step(of)); // 1 where x <= 0
  const below = atMost(x!, 0, side);
  const lessOne = tf.expm1(atMost(below, EPSILON, tf.onesLike));
  const curved = tf.sub(tf.mul(lessOne, tf.add(slack!, beta!)), tf.mul(below, slack!));
  return tf.add(above, tf.mul(curved, side(x!)));
}

/** α_p and α_n, 0.8 both, when training begins: as the softplus of the one, and β, 0.5, and that of the other. */
const FIRST = { alpha_p: Math.log(Math.expm1(0.8)), alpha_n: Math.log(Math.expm1(0.8 - 0.5)) };

const TORCH = `
p, n = F.softplus(alpha_p), F.softplus(alpha_n)
below = torch.clamp(x, max=0)
low = below + (torch.clamp(below, max=${EPSILON}) - below).detach()
return torch.where(x > 0, p * x * x + beta * x, (beta + n) * torch.expm1(low) - n * below)`;

/** The table's row of xIELU. */
export const xieluRow: Op<'xielu'> = activation({
  name: 'xielu',
  kernelName: 'Xielu',
  label: 'xIELU',
  source: 'arXiv 2411.13010',
  torch: TORCH,
  parameters: {
    alpha_p: { shape: [], first: FIRST.alpha_p, tried: [0.3] },
    alpha_n: { shape: [], first: FIRST.alpha_n, tried: [-0.7] },
  },
  scalars: { beta: { default: 0.5, also: [0.2] } },
  reference,
  composed,
});

/** xIELU's learned parameters, scalars both. */
export interface XieluParameters {
  readonly alphaP: tf.Scalar;
  readonly alphaN: tf.Scalar;
}

/** The parameters that Apertus begins with: α_p = α_n = 0.8. Wrap each in `tf.variable` to train it. */
export function xieluParameters(): XieluParameters {
  return { alphaP: tf.scalar(FIRST.alpha_p), alphaN: tf.scalar(FIRST.alpha_n) };
}

/** What xIELU may be told. */
export interface XieluOptions {
  /** The slope at 0; 0.5 by default. */
  readonly beta?: number;
}

/**
 * xIELU (Huang and Schlag 2024, arXiv 2411.13010), of Apertus: y = α_p x² + β x for x > 0, and
 * α_n (expm1(min(x, -1e-6)) - x) + β x for the others; α_p = softplus(alphaP), α_n = β + softplus(alphaN).
 *
 * @param x float32, any shape
 * @param alphaP a scalar
 * @param alphaN a scalar
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape, or a beta that is no finite number
 */
export function xielu<T extends tf.Tensor>(
  x: T | Input,
  alphaP: Input,
  alphaN: Input,
  options: XieluOptions = {},
): T {
  return callOp('xielu', xieluRow, { x, alphaP, alphaN }, options, (tensors) => {
    const wrong = (['alphaP', 'alphaN'] as const).find((name) => tensors[name].size !== 1);
    return wrong && `${wrong} must be a scalar, as xieluParameters() makes it`;
  });
}
