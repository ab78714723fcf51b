import * as tf from '@tensorflow/tfjs-core';
import { runFused } from '../fused/run.js';
import type { TransformerOp } from '../fused/types.js';
import type { Scalars } from '../op/types.js';

function row(
  name: string,
  kernelName: string,
  inputs: string[],
  integers: string[],
  gradients: string[],
  scalars: Scalars,
  kept: string[],
  composed: (i: readonly tf.Tensor[], s: Scalars) => tf.Tensor[],
): TransformerOp {
  return {
    name,
    kernelName,
    inputs,
    integers,
    outputs: ['y'],
    differentiable: ['y'],
    kept,
    gradients,
    scalars,
    composed,
    reference: null as never,
    samples: () => [],
  };
}
export const rotaryOp: TransformerOp = row(
  'rotary',
  'Rotary',
  ['x', 'table', 'start'],
  ['start'],
  ['x'],
  {},
  ['x', 'table', 'start'],
  ([x, table, start]) => {
    const [, T, , D] = x!.shape as [number, number, number, number];
    const ids = tf.add(tf.expandDims(start!, 1), tf.expandDims(tf.range(0, T, 1, 'int32'), 0));
    const rows = tf.expandDims(tf.gather(table!, ids as tf.Tensor2D), 2);
    const [c, s] = tf.split(rows, 2, -1) as [tf.Tensor, tf.Tensor];
    const [a, b] = tf.split(x!, 2, -1) as [tf.Tensor, tf.Tensor];
    void D;
    return [tf.concat([tf.sub(tf.mul(a, c), tf.mul(b, s)), tf.add(tf.mul(b, c), tf.mul(a, s))], -1)];
  },
);
export const crossentropyOp: TransformerOp = row(
  'crossentropy',
  'CrossEntropy',
  ['logits', 'labels'],
  ['labels'],
  ['logits'],
  {},
  ['logits', 'labels'],
  ([logits, labels]) => {
    const counts = tf.cast(tf.greaterEqual(labels!, tf.scalar(0, 'int32')), 'float32');
    const hot = tf.oneHot(labels! as tf.Tensor1D, logits!.shape[1]!);
    const f = tf.customGrad((...given) => {
      const [x, save] = given as unknown as [tf.Tensor, (tensors: tf.Tensor[]) => void];
      save([x, counts, hot]);
      return {
        value: tf.mul(tf.sub(tf.logSumExp(x, -1), tf.sum(tf.mul(x, hot), -1)), counts),
        gradFunc: (dy: tf.Tensor, [kept, some, one]: tf.Tensor[]) =>
          tf.tidy(() => tf.mul(tf.sub(tf.softmax(kept!), one!), tf.expandDims(tf.mul(dy, some!), -1))),
      };
    });
    return [f(logits!)];
  },
);
export const embeddingOp: TransformerOp = row(
  'embedding',
  'Embedding',
  ['table', 'ids'],
  ['ids'],
  ['table'],
  {},
  ['table', 'ids'],
  ([table, ids]) => [tf.gather(table!, ids! as tf.Tensor1D)],
);
const maskOf = (shape: number[], seed: tf.Tensor, rate: number): tf.Tensor => {
  const [a, b] = seed.dataSync();
  return tf.div(
    tf.cast(tf.greaterEqual(tf.randomUniform(shape, 0, 1, 'float32', a! * 1000 + b! + 1), rate), 'float32'),
    1 - rate,
  );
};
export const dropoutOp: TransformerOp = {
  ...row(
    'dropout',
    'Dropout',
    ['x', 'seed'],
    ['seed'],
    ['x'],
    { rate: 0 },
    ['seed'],
    ([x, seed], { rate }) => [tf.mul(x!, maskOf(x!.shape, seed!, rate!))],
  ),
  composedGradients: ([seed], [dy], { rate }) => [tf.mul(dy!, maskOf(dy!.shape, seed!, rate!))],
};
export const rotary = (x: tf.Tensor, table: tf.Tensor, start: tf.Tensor): tf.Tensor =>
  runFused(rotaryOp, [x, table, start]);
export const crossEntropy = (logits: tf.Tensor, labels: tf.Tensor): tf.Tensor =>
  runFused(crossentropyOp, [logits, labels]);
export const embedding = (table: tf.Tensor, ids: tf.Tensor): tf.Tensor => runFused(embeddingOp, [table, ids]);
export const dropout = (x: tf.Tensor, seed: tf.Tensor, { rate }: { rate: number }): tf.Tensor =>
  runFused(dropoutOp, [x, seed], { rate });
