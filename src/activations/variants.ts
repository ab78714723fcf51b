import * as tf from '@tensorflow/tfjs-core';
import { runOp } from '../op/run.js';
import type { Scalars } from '../op/types.js';
import { type ElementwiseInner, inners } from './inner.js';
import { polynomialOf, typeOne, typeTwo } from './polynomial.js';
import { polynormRow } from './polynorm.js';

/** The names of the variants. */
export type VariantName =
  | 'polyprelu'
  | 'polyleakyrelu'
  | 'polyrelunorm'
  | 'polyreluii'
  | 'polypreluii'
  | 'polynormi'
  | 'polysigmoid'
  | 'polytanh'
  | 'polysilu'
  | 'polygelu'
  | 'relu3'
  | 'leakyrelu'
  | 'prelu';

/** Another form of an activation, for ablations: composed of tf ops, with gradients, on any backend; there is no kernel of it. */
export interface Variant {
  /** One lowercase word, that no row of the table has. */
  readonly name: VariantName;
  /** For people. */
  readonly label: string;
  /** What it computes, for people; a_i are the weights of powers 1 to the order, b the bias, c the slope. */
  readonly formula: string;
  /** x, then the coefficients. */
  readonly inputs: readonly string[];
  readonly scalars: readonly string[];
  readonly composed: (inputs: readonly tf.Tensor[], scalars: Scalars) => tf.Tensor;
}

/** PReLU's slope where it is not learned, and where learning begins (He et al. 2015, arXiv 1502.01852). */
export const PRELU_SLOPE = 0.25;
/** Of leaky ReLU (Maas et al. 2013). */
const LEAKY_SLOPE = 0.01;

const X = ['x'];
const POLYNOMIAL = ['x', 'weight', 'bias'];
const SLOPED = [...POLYNOMIAL, 'slope'];
const NORM = polynormRow.scalars;

/** n(x) of each row: PolyNorm of order 1. */
function normalised(x: tf.Tensor, scalars: Scalars): tf.Tensor {
  return runOp(polynormRow, [x, tf.ones([1]), tf.scalar(0)], scalars);
}

/** Type I of an inner function. */
function elementwise(name: VariantName, label: string, inner: ElementwiseInner): Variant {
  return {
    name,
    label,
    formula: `b + Σ a_i ${inner}(x)^i`,
    inputs: POLYNOMIAL,
    scalars: [],
    composed: (inputs) => typeOne(inners[inner], inputs),
  };
}

/**
 * THE list of variants. The paper's ablation (arXiv 2411.03884) names PolyPReLU and PolyReLUNorm, whose exact forms
 * were not to be found: these are the readings of its definitions of type I, Σ a_i ρ(x)^i, and II, Σ a_i ρ(x^i).
 */
export const variants: readonly Variant[] = [
  {
    name: 'polyprelu',
    label: 'PolyPReLU',
    formula: 'b + Σ a_i PReLU(x)^i, slope c learned from 0.25',
    inputs: SLOPED,
    scalars: [],
    composed: (inputs) => typeOne(inners.prelu, inputs),
  },
  {
    name: 'polyleakyrelu',
    label: 'PolyPReLU, fixed slope',
    formula: 'b + Σ a_i PReLU(x)^i, slope 0.25',
    inputs: POLYNOMIAL,
    scalars: [],
    composed: (inputs) => typeOne(inners.prelu, [...inputs, tf.scalar(PRELU_SLOPE)]),
  },
  {
    name: 'polyrelunorm',
    label: 'PolyReLUNorm',
    formula: 'b + Σ a_i n(ReLU(x)^i)',
    inputs: POLYNOMIAL,
    scalars: NORM,
    composed: ([x, ...rest], scalars) => runOp(polynormRow, [tf.relu(x!), ...rest], scalars),
  },
  {
    name: 'polyreluii',
    label: 'PolyReLU, type II',
    formula: 'b + Σ a_i ReLU(x^i)',
    inputs: POLYNOMIAL,
    scalars: [],
    composed: (inputs) => typeTwo(inners.relu, inputs),
  },
  {
    name: 'polypreluii',
    label: 'PolyPReLU, type II',
    formula: 'b + Σ a_i PReLU(x^i), slope c learned from 0.25',
    inputs: SLOPED,
    scalars: [],
    composed: (inputs) => typeTwo(inners.prelu, inputs),
  },
  {
    name: 'polynormi',
    label: 'PolyNorm, type I',
    formula: 'b + Σ a_i n(x)^i',
    inputs: POLYNOMIAL,
    scalars: NORM,
    composed: ([x, weight, bias], scalars) => polynomialOf(normalised(x!, scalars), weight!, bias!),
  },
  elementwise('polysigmoid', 'PolySigmoid', 'sigmoid'),
  elementwise('polytanh', 'PolyTanh', 'tanh'),
  elementwise('polysilu', 'PolySiLU', 'silu'),
  elementwise('polygelu', 'PolyGELU', 'gelu'),
  {
    name: 'relu3',
    label: 'ReLU³',
    formula: 'ReLU(x)³',
    inputs: X,
    scalars: [],
    composed: ([x]) => {
      const s = tf.relu(x!);
      return tf.mul(tf.square(s), s);
    },
  },
  {
    name: 'leakyrelu',
    label: 'Leaky ReLU',
    formula: `max(x, ${LEAKY_SLOPE} x)`,
    inputs: X,
    scalars: [],
    composed: ([x]) => tf.leakyRelu(x!, LEAKY_SLOPE),
  },
  {
    name: 'prelu',
    label: 'PReLU',
    formula: `x, and c x where x < 0, learned from ${PRELU_SLOPE}`,
    inputs: [...X, 'slope'],
    scalars: [],
    composed: ([x, slope]) => tf.prelu(x!, slope!),
  },
];
