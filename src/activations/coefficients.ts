import * as tf from '@tensorflow/tfjs-core';
import { checkField, type Field, whole } from '../common/fields.js';
import { asTensor, type Input, invalid } from '../op/check.js';
import type { Op } from '../op/types.js';

/** A polynomial's coefficients: `weight` of shape [order], highest power first, and the scalar `bias`. */
export interface PolyComCoefficients {
  readonly weight: tf.Tensor1D;
  readonly bias: tf.Scalar;
}

/** The parameters of a polynomial, in the order of the inputs of its ops. */
export const polynomialParameters: Op['parameters'] = {
  weight: { shape: ['order'], first: '1 / order', tried: [0.4, -0.3, 0.7, 0.2] },
  bias: { shape: [], first: 0, tried: [0.1] },
};

/** The highest order of a polynomial: that of the kernels. */
export const MAX_ORDER = 4;
/** What an order must be. */
export const ORDER: Field = whole(1, MAX_ORDER);
const PAPER_ORDER = 3;

/**
 * The coefficients that the paper begins with (arXiv 2411.03884): each weight 1 / order, and bias 0.
 * Wrap each in `tf.variable` to train it, without weight decay.
 *
 * @param order the highest power, 1 to 4; 3 by default, as in the paper
 * @throws {PolycomError} `INVALID_ARGUMENT` for another order
 */
export function polyComCoefficients(order: number = PAPER_ORDER): PolyComCoefficients {
  checkField(undefined, 'order', order, ORDER);
  return { weight: tf.fill([order], 1 / order), bias: tf.scalar(0) };
}

/** The weight and the bias as float32 tensors of their shapes, for an op with these other tensors. */
export function coefficientTensors(
  op: string,
  weight: Input,
  bias: Input,
  others: Readonly<Record<string, tf.Tensor>>,
): [weight: tf.Tensor, bias: tf.Tensor] {
  const tensors = {
    ...others,
    weight: asTensor(op, 'weight', weight),
    bias: asTensor(op, 'bias', bias),
  };
  const remedy = 'polyComCoefficients(order) makes a weight and a bias';
  if (tensors.weight.rank !== 1 || tensors.weight.size < 1 || tensors.weight.size > MAX_ORDER) {
    throw invalid(
      op,
      `weight must be [order], highest power first, order 1 to ${MAX_ORDER}`,
      tensors,
      remedy,
    );
  }
  if (tensors.bias.size !== 1) throw invalid(op, 'bias must be a scalar', tensors, remedy);
  return [tensors.weight, tensors.bias];
}

/** x, weight and bias as float32 tensors that fit each other. */
export function coefficientInputs(op: string, x: Input, weight: Input, bias: Input): tf.Tensor[] {
  const tensor = asTensor(op, 'x', x);
  return [tensor, ...coefficientTensors(op, weight, bias, { x: tensor })];
}

/** The coefficients one by one, that of the lowest power first. */
export function ascending(weight: tf.Tensor): tf.Tensor[] {
  // unstack's gradient fails for a single slice. The copy: its array is the tape's record, and must keep its order.
  return weight.size === 1 ? [tf.reshape(weight, [])] : [...tf.unstack(weight)].reverse();
}
