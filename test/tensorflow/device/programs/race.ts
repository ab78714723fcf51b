/**
 * Ops that come late, or whose copies do. TensorFlow itself waits for the device before it reads a tensor, but not before
 * it uses the memory of one that was disposed of: the next copy is right only behind the ops that read what was there.
 */
import * as tf from '@tensorflow/tfjs-core';
import { relu2 } from '../../../../src/index.js';
import { streamTier } from '../../../../src/tensorflow/ops.js';
import { answer } from './begin.js';

const { mislead, slowDown } = globalThis.testDevice;
const round = (value: number): boolean => {
  const x = tf.fill([1000], value);
  relu2(x).dispose(); // has it copied to the device
  const y = relu2(x);
  x.dispose();
  const other = tf.fill([1000], value + 100);
  const z = relu2(other); // has that copied, to where x was
  const right = [y, z].every((tensor, i) => {
    const wanted = (value + 100 * i) ** 2;
    return tensor.dataSync().every((got) => Math.abs(got / wanted - 1) < 1e-5);
  });
  tf.dispose([y, other, z]);
  return right;
};
round(1);
if (process.env.MISLEAD !== undefined) mislead();
let wrong = 0;
for (const [copies, ops] of [
  [0, 30],
  [20, 0],
] as const) {
  slowDown(copies, ops);
  for (let i = 2; i < 6; ++i) if (!round(i)) ++wrong;
}
answer({ tier: streamTier(), wrong });
