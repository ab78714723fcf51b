/** Memory that is freed and used again at once, under many sizes: each result is looked at. */
import * as tf from '@tensorflow/tfjs-core';
import { relu2 } from '../../../../src/index.js';
import { answer } from './begin.js';

let [wrong, seed] = [0, 1];
const random = (below: number): number => {
  seed = (seed * 48271) % 0x7fffffff;
  return seed % below;
};
const held: { y: tf.Tensor; value: number }[] = [];
for (let i = 0; i < 2000; ++i) {
  const value = random(1000);
  // The upload, the first result and the second: the two former are freed while they are still to be read.
  held.push({ y: tf.tidy(() => relu2(relu2(tf.fill([1 + random(3000)], value / 1000)))), value });
  if (held.length < 8) continue;
  const [{ y, value: of }] = held.splice(random(held.length), 1) as [(typeof held)[number]];
  const right = (of / 1000) ** 4;
  if (y.dataSync().some((got) => Math.abs(got - right) > 1e-6)) ++wrong;
  y.dispose();
}
answer({ wrong });
