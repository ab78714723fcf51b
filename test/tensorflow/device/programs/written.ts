/** What is read of variables between the steps of AdamW, which writes in place. */
import * as tf from '@tensorflow/tfjs-core';
import { adamWStep } from '../../../../src/transformer-ops/optimizer.js';
import { answer } from './begin.js';

const rates = { learningRate: 0.1, betas: [0, 0], epsilon: 0, weightDecay: 0, scale: 1 } as const;
const [parameter, m, v] = [
  [1, 2, 3, 4],
  [0, 0, 0, 0],
  [0, 0, 0, 0],
].map((values) => tf.variable(tf.tensor1d(values))) as [tf.Variable, tf.Variable, tf.Variable];
const gradient = tf.tensor1d([1, 1, -1, 1]);
const read = [];
const before = tf.memory().numTensors;
for (let step = 1; step <= 4; ++step) {
  adamWStep([{ parameter, gradient: tf.keep(gradient), m, v }], { ...rates, step });
  // TensorFlow's own ops read it too, on the CPU.
  const [twice] = tf.tidy(() => [tf.mul(parameter, 2).dataSync()]);
  read.push({ parameter: [...parameter.dataSync()], twice: [...twice!], m: [...m.dataSync()] });
}
answer({ read, tensors: tf.memory().numTensors - before });
