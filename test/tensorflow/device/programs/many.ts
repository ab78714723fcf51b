/** A hundred thousand calls, and the memory that is left of them. */
import * as tf from '@tensorflow/tfjs-core';
import { relu2 } from '../../../../src/index.js';
import { answer } from './begin.js';

const CALLS = Number(process.env.CALLS);
const x = tf.tensor1d([1, -2, 3]);
const call = (times: number): void => {
  for (let i = 0; i < times; ++i) relu2(x).dispose();
  tf.tidy(() => relu2(x).dataSync()); // the device is done with them
};
const resident = (): number => process.memoryUsage.rss() / 2 ** 20;
call(CALLS / 10);
const [before, tensors] = [resident(), tf.memory().numTensors];
call(CALLS);
answer({
  grown: resident() - before,
  tensors: tf.memory().numTensors - tensors,
  y: [...relu2(x).dataSync()],
});
