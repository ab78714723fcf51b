import * as tf from '@tensorflow/tfjs-core';
import { composedActivation } from '../op/activation.js';
import { runOp } from '../op/run.js';
import type { ComposedOp, Op, Scalars } from '../op/types.js';
import { polynomialParameters } from './coefficients.js';
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
export interface Variant extends ComposedOp<VariantName> {
  /** What it computes, for people; a_i are the weights of powers 1 to the order, b the bias, c the slope. */
  readonly formula: string;
}

/** PReLU's slope where it is not learned, and where learning begins (He et al. 2015, arXiv 1502.01852). */
export const PRELU_SLOPE = 0.25;
/** Of leaky ReLU (Maas et al. 2013). */
const LEAKY_SLOPE = 0.01;

const POLYNOMIAL = polynomialParameters;
const SLOPE: Op['parameters'] = { slope: { shape: [], first: PRELU_SLOPE } };
const NORM = polynormRow.scalars;

type VariantRow = Parameters<typeof composedActivation<VariantName>>[0] & Pick<Variant, 'formula'>;

/** n(x) of each row: PolyNorm of order 1. */
function normalised(x: tf.Tensor, scalars: Scalars): tf.Tensor {
  return runOp(polynormRow, [x, tf.ones([1]), tf.scalar(0)], scalars);
}

/** Type I of an inner function. */
function elementwise(name: VariantName, label: string, inner: ElementwiseInner): VariantRow {
  return {
    name,
    label,
    formula: `b + Σ a_i ${inner}(x)^i`,
    parameters: POLYNOMIAL,
    composed: (inputs) => typeOne(inners[inner], inputs),
  };
}

const rows: readonly VariantRow[] = [
  {
    name: 'polyprelu',
    label: 'PolyPReLU',
    formula: 'b + Σ a_i PReLU(x)^i, slope c learned from 0.25',
    parameters: { ...POLYNOMIAL, ...SLOPE },
    composed: (inputs) => typeOne(inners.prelu, inputs),
  },
  {
    name: 'polyleakyrelu',
    label: 'PolyPReLU, fixed slope',
    formula: 'b + Σ a_i PReLU(x)^i, slope 0.25',
    parameters: POLYNOMIAL,
    composed: (inputs) => typeOne(inners.prelu, [...inputs, tf.scalar(PRELU_SLOPE)]),
  },
  {
    name: 'polyrelunorm',
    label: 'PolyReLUNorm',
    formula: 'b + Σ a_i n(ReLU(x)^i)',
    parameters: POLYNOMIAL,
    scalars: NORM,
    composed: ([x, ...rest], scalars) => runOp(polynormRow, [tf.relu(x!), ...rest], scalars),
  },
  {
    name: 'polyreluii',
    label: 'PolyReLU, type II',
    formula: 'b + Σ a_i ReLU(x^i)',
    parameters: POLYNOMIAL,
    composed: (inputs) => typeTwo(inners.relu, inputs),
  },
  {
    name: 'polypreluii',
    label: 'PolyPReLU, type II',
    formula: 'b + Σ a_i PReLU(x^i), slope c learned from 0.25',
    parameters: { ...POLYNOMIAL, ...SLOPE },
    composed: (inputs) => typeTwo(inners.prelu, inputs),
  },
  {
    name: 'polynormi',
    label: 'PolyNorm, type I',
    formula: 'b + Σ a_i n(x)^i',
    parameters: POLYNOMIAL,
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
    composed: ([x]) => {
      const s = tf.relu(x!);
      return tf.mul(tf.square(s), s);
    },
  },
  {
    name: 'leakyrelu',
    label: 'Leaky ReLU',
    formula: `max(x, ${LEAKY_SLOPE} x)`,
    composed: ([x]) => tf.leakyRelu(x!, LEAKY_SLOPE),
  },
  {
    name: 'prelu',
    label: 'PReLU',
    formula: `x, and c x where x < 0, learned from ${PRELU_SLOPE}`,
    parameters: SLOPE,
    composed: ([x, slope]) => tf.prelu(x!, slope!),
  },
];

/**
 * THE list of variants. The paper's ablation (arXiv 2411.03884) names PolyPReLU and PolyReLUNorm, whose exact forms
 * were not to be found: these are the readings of its definitions of type I, Σ a_i ρ(x)^i, and II, Σ a_i ρ(x^i).
 */
export const variants: readonly Variant[] = rows.map((row) => ({
  ...composedActivation(row),
  formula: row.formula,
}));
