import * as tf from '@tensorflow/tfjs-core';
import { invalidArgument } from '../common/errors.js';
import { checkNames, type Names } from '../common/options.js';
import { asTensor, type Input, invalid } from '../op/check.js';
import { scalarsFrom } from '../op/options.js';
import { coefficientInputs } from './coefficients.js';
import { type ElementwiseInner, inners } from './inner.js';
import { polynomialOf, powers, typeOne, typeTwo } from './polynomial.js';
import { type Norm, type PolyNormOptions, polyNorm, polynormRow } from './polynorm.js';
import { polyRelu } from './polyrelu.js';

/** The inner functions ρ that {@link polyCom} knows by name. */
export type PolyComInner = ElementwiseInner | Norm;

/** What {@link polyCom} composes, and how. */
export interface PolyComOptions {
  /**
   * ρ: a function of this list, or any that maps a tensor to one of its shape out of differentiable tf ops. `gelu` is
   * the exact one; `rms` and `l2` divide by the root of the mean, or of the sum, of the squares over the last axis.
   */
  readonly inner: PolyComInner | ((x: tf.Tensor) => tf.Tensor);
  /** `I`: powers of ρ(x). `II`: ρ of the powers of x. */
  readonly type: 'I' | 'II';
  /** With `prelu` alone: its slope below 0, a scalar or any shape that broadcasts to x's, for instance `[cols]`. */
  readonly slope?: Input;
  /** With `rms` and `l2`: inside the root; 1e-6 by default. */
  readonly epsilon?: number;
}

/**
 * PolyCom (arXiv 2411.03884) in general: type I is y = b + Σ_i a_i ρ(x)^i, type II y = b + Σ_i a_i ρ(x^i).
 * Type I of `relu` runs as PolyReLU and type II of `rms` or `l2` as PolyNorm, fused where the backend has them. The
 * others are compositions of tf ops with gradients for x, weight, bias and slope, and of a named ρ give no NaN for
 * finite input.
 *
 * @param x float32, any shape; of rank 1 or more for `rms` and `l2`
 * @param coefficients weight `[order]`, highest power first, order 1 to 4, and the scalar bias, as of
 *   `polyComCoefficients(order)`
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape, an unknown inner or type, a missing slope
 */
export function polyCom<T extends tf.Tensor>(
  x: T | tf.TensorLike,
  coefficients: { readonly weight: Input; readonly bias: Input },
  options: PolyComOptions,
): T {
  const { inner, type, epsilon = 1e-6 } = checkOptions(options);
  return tf.tidy('polyCom', () => {
    const inputs = coefficientInputs('polyCom', x, coefficients?.weight, coefficients?.bias);
    if (typeof inner === 'function') return composeUser(inner, type, inputs);
    if (inner === 'rms' || inner === 'l2') return composeNorm(inner, type, inputs, epsilon);
    if (inner === 'prelu') inputs.push(slopeInput('polyCom', inputs[0]!, options.slope));
    return composeElementwise(inner, type, inputs);
  }) as T;
}

/**
 * PolyPReLU, of the paper's ablation: y = b + Σ_i a_i PReLU(x)^i, with PReLU(x) = x, or slope · x where x < 0. A
 * composition of tf ops, with a gradient for each tensor.
 *
 * @param x float32, any shape
 * @param weight `[order]`, highest power first: [a_3, a_2, a_1]
 * @param bias a scalar
 * @param slope a scalar, or any shape that broadcasts to x's, for instance `[cols]`
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape
 */
export function polyPRelu<T extends tf.Tensor>(
  x: T | tf.TensorLike,
  weight: Input,
  bias: Input,
  slope: Input,
): T {
  return tf.tidy('polyPRelu', () => {
    const inputs = coefficientInputs('polyPRelu', x, weight, bias);
    return typeOne(inners.prelu, [...inputs, slopeInput('polyPRelu', inputs[0]!, slope)]);
  }) as T;
}

/**
 * PolyReLUNorm, of the paper's ablation: y = b + Σ_i a_i n(ReLU(x)^i), with n(u) = u / sqrt(mean(u²) + ε) over the
 * last axis: PolyNorm of ReLU(x), and fused where PolyNorm is.
 *
 * @param x float32, any shape of rank 1 or more
 * @param weight `[order]`, highest power first: [a_3, a_2, a_1]
 * @param bias a scalar
 * @param options.epsilon inside the root; 1e-6 by default
 * @param options.norm `rms` by default; `l2` has the sum where that has the mean
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shape or norm
 */
export function polyReluNorm<T extends tf.Tensor>(
  x: T | tf.TensorLike,
  weight: Input,
  bias: Input,
  options: PolyNormOptions = {},
): T {
  scalarsFrom('polyReluNorm', polynormRow, options); // for errors that name this op
  return tf.tidy('polyReluNorm', () => {
    const [tensor, a, b] = coefficientInputs('polyReluNorm', x, weight, bias);
    checkRank('polyReluNorm', tensor!);
    return polyNorm(tf.relu(tensor!), a!, b!, options);
  }) as T;
}

const OPTIONS: Names<PolyComOptions> = { inner: true, type: true, slope: true, epsilon: true };

function checkOptions(options: PolyComOptions): PolyComOptions {
  const fail = (message: string): never => {
    throw invalidArgument(message, { op: 'polyCom' });
  };
  if (options == null) return fail('options are missing; expected { inner, type }');
  checkNames('polyCom', options, OPTIONS);
  const { inner, type, slope, epsilon } = options;
  if (type !== 'I' && type !== 'II') fail(`type is ${String(type)}; expected 'I' or 'II'`);
  scalarsFrom('polyCom', polynormRow, { epsilon });
  if (typeof inner !== 'function') {
    const names = [...Object.keys(inners), 'rms', 'l2'];
    if (!names.includes(inner)) {
      fail(`inner is ${String(inner)}; expected a function, or one of ${names.join(', ')}`);
    }
  }
  if ((inner === 'prelu') !== (slope !== undefined)) {
    fail(inner === 'prelu' ? "inner 'prelu' needs a slope" : "a slope is of inner 'prelu' alone");
  }
  return options;
}

function checkRank(op: string, x: tf.Tensor): void {
  if (x.rank === 0) throw invalid(op, 'x is a scalar; expected rank 1 or more', { x });
}

function slopeInput(op: string, x: tf.Tensor, input: Input | undefined): tf.Tensor {
  const slope = asTensor(op, 'slope', input as Input);
  const shape = x.shape.slice(x.rank - slope.rank);
  const broadcasts =
    slope.rank <= x.rank && slope.shape.every((length, i) => length === 1 || length === shape[i]);
  if (broadcasts) return slope;
  throw invalid(op, "slope must be a scalar, or broadcast to x's shape", { x, slope });
}

function composeElementwise(
  name: ElementwiseInner,
  type: 'I' | 'II',
  inputs: readonly tf.Tensor[],
): tf.Tensor {
  const [x, weight, bias] = inputs;
  // The types are one for order 1.
  if (name === 'relu' && (type === 'I' || weight!.size === 1)) return polyRelu(x!, weight!, bias!);
  return type === 'I' ? typeOne(inners[name], inputs) : typeTwo(inners[name], inputs);
}

function composeNorm(
  norm: Norm,
  type: 'I' | 'II',
  [x, weight, bias]: readonly tf.Tensor[],
  epsilon: number,
): tf.Tensor {
  checkRank('polyCom', x!);
  if (type === 'II' || weight!.size === 1) return polyNorm(x!, weight!, bias!, { epsilon, norm });
  return polynomialOf(polyNorm(x!, tf.ones([1]), tf.scalar(0), { epsilon, norm }), weight!, bias!);
}

function composeUser(
  f: (x: tf.Tensor) => tf.Tensor,
  type: 'I' | 'II',
  [x, weight, bias]: readonly tf.Tensor[],
): tf.Tensor {
  const inner = (u: tf.Tensor): tf.Tensor => {
    const y: unknown = f(u);
    if (!(y instanceof tf.Tensor)) {
      throw invalidArgument('inner returns no tensor', { op: 'polyCom' });
    }
    const same = y.dtype === 'float32' && tf.util.arraysEqual(y.shape, u.shape);
    if (!same) throw invalid('polyCom', "inner must return float32 of its input's shape", { x: u, inner: y });
    return y;
  };
  if (type === 'I') return polynomialOf(inner(x!), weight!, bias!);
  const terms = powers(x!, weight!.size).map(inner);
  return tf.add(tf.sum(tf.mul(tf.stack(terms.reverse(), -1), weight!), -1), tf.reshape(bias!, []));
}
