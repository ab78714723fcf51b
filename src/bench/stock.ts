import * as tf from '@tensorflow/tfjs-core';
import { geluRow } from '../activations/gelu.js';
import { reluRow } from '../activations/relu.js';
import { siluRow } from '../activations/silu.js';
import { scalarsFrom } from '../op/options.js';
import type { Op } from '../op/types.js';

/** An activation of today's TensorFlow.js, to stand beside the package's own: a row whose composition it is. */
export type StockOp = Omit<Op, 'kernelName' | 'samples'>;

/** tfjs-node's activations: its own op where it has one, else what its users write. */
export const stockOps: readonly StockOp[] = [
  stock(reluRow, { label: 'tf.relu' }, tf.relu),
  stock(geluRow, { label: 'GELU (erf)' }, (x) =>
    tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
  ),
  stock(geluRow, { name: 'gelu_tanh', label: 'GELU (tanh)', scalars: tanhScalars() }, (x) =>
    tf.mul(
      tf.mul(x, 0.5),
      tf.add(
        tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI))),
        1,
      ),
    ),
  ),
  stock(siluRow, {}, (x) => tf.mul(x, tf.sigmoid(x))),
];

function stock(row: Op, more: Partial<StockOp>, apply: (x: tf.Tensor) => tf.Tensor): StockOp {
  return { ...row, ...more, composed: ([x]) => [apply(x!)] };
}

function tanhScalars(): Op['scalars'] {
  return { approximate: { default: scalarsFrom('gelu', geluRow, { approximate: 'tanh' }).approximate! } };
}
