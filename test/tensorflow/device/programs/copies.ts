/** Counts the copies of chained ops. */
import * as tf from '@tensorflow/tfjs-core';
import { polyNorm, unfused } from '../../../../src/index.js';
import { answer } from './begin.js';

const { copies } = globalThis.testDevice;
const [x, weight, bias] = [tf.randomNormal([32, 100]), tf.tensor1d([0.1, 0.2, 0.3]), tf.scalar(0.1)];
const chain = (times: number): tf.Tensor =>
  tf.tidy(() => {
    let y: tf.Tensor = x;
    for (let i = 0; i < times; ++i) y = polyNorm(y, weight, bias);
    return y;
  });
chain(1).dataSync(); // the inputs are on the device now

const before = copies();
const y = chain(10);
const chained = copies();
const values = y.dataSync();
const read = copies();
const gradients = tf.grads((...given) => polyNorm(given[0]!, given[1]!, given[2]!))([x, weight, bias], y);
const differentiated = copies();
const wanted = unfused(() => chain(10)).dataSync();
answer({
  chained: difference(before, chained),
  read: difference(chained, read),
  differentiated: difference(read, differentiated),
  apart: Math.max(...values.map((value, i) => Math.abs(value - wanted[i]!))),
  shapes: gradients.map(({ shape }) => shape),
});

type Copies = ReturnType<typeof copies>;

function difference(from: Copies, to: Copies): Copies {
  return { toDevice: to.toDevice - from.toDevice, toHost: to.toHost - from.toHost };
}
