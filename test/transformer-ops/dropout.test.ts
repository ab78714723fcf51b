import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, test } from 'vitest';
import { sameBits } from '../../src/op/compare.js';
import type { Sample } from '../../src/op/types.js';
import { dropoutOp } from '../../src/transformer-ops/dropout.js';
import { dropout } from '../../src/transformer-ops/index.js';
import { dropoutMask, type PhiloxKey, philox } from '../../src/transformer-ops/philox.js';
import { emulatedCuda, native, runNative } from '../native/harness.js';

// The known answers that come with the authors' own code, Random123.
test.each([
  {
    counter: [0, 0, 0, 0],
    key: [0, 0],
    words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
] as const)('Philox4x32-10 gives its authors’ words: $counter', ({ counter, key, words }) => {
  expect(philox(counter, key)).toEqual(words);
});

describe('the mask', () => {
  const length = 100_000;
  const key: PhiloxKey = [12, 34];

  test.each([0, 0.1, 0.5, 0.97])('drops its share: %d', (rate) => {
    const mask = dropoutMask(key, rate, length);
    const dropped = mask.filter((m) => m === 0).length;
    const deviation = Math.sqrt(length * rate * (1 - rate));
    expect(Math.abs(dropped - rate * length)).toBeLessThanOrEqual(4 * deviation);
    const kept = Math.fround(1 / (1 - Math.fround(rate)));
    expect(mask.every((m) => m === 0 || m === kept)).toBe(true);
  });

  test.each([1, 2, 15, 16, 17, 64, 1000])('at one element says nothing of the one %d on', (distance) => {
    const mask = dropoutMask(key, 0.5, length + distance);
    let same = 0;
    for (let i = 0; i < length; ++i) if (mask[i] === mask[i + distance]) ++same;
    expect(Math.abs(same - length / 2)).toBeLessThanOrEqual(2 * Math.sqrt(length));
  });

  test.each([
    [13, 34],
    [12, 35],
    [34, 12],
  ] as const)('is another with another seed: %d, %d', (...other) => {
    const [one, two] = [dropoutMask(key, 0.5, length), dropoutMask(other, 0.5, length)];
    const same = one.filter((m, i) => m === two[i]).length;
    expect(Math.abs(same - length / 2)).toBeLessThanOrEqual(2 * Math.sqrt(length));
  });

  test('does not depend on the length', () => {
    expect(dropoutMask(key, 0.3, 1000)).toEqual(dropoutMask(key, 0.3, length).slice(0, 1000));
  });
});

const emulated = await emulatedCuda();
const queues = [
  { host: 'the CPU', queue: native?.createQueue({ threads: 2 }) },
  { host: 'the CUDA emulator', queue: emulated?.createQueue({ device: 'cuda' }) },
];
afterAll(() => {
  for (const { queue } of queues) queue?.dispose();
});

describe.each(queues)('dropout on $host', ({ queue }) => {
  // Rates that float rounds either way; lengths past a piece of work.
  test.skipIf(queue === undefined).each([0.1, 0.3, 0.7])('has the mask that TypeScript has: %d', (rate) => {
    for (const length of [1, 63, 64, 65, 40_001]) {
      const x = { shape: [length], values: new Float32Array(length).fill(1) };
      const seed = { shape: [2], values: Float32Array.of(-7, 99) };
      const sample: Sample = { title: '', tensors: { x, seed }, scalars: { rate } };
      const { outputs } = runNative(queue!, dropoutOp, sample);
      expect(sameBits(outputs[0]!, dropoutMask([-7, 99], rate, length)), `${length}`).toBe(true);
    }
  });
});

test('the function keeps what its seed says, and its gradient the same', async () => {
  const mask = dropoutMask([3, -4], 0.25, 300);
  const x = tf.fill([3, 100], 1);
  const seed = tf.tensor1d([3, -4], 'int32');
  const { value, grad } = tf.valueAndGrad((t) => dropout(t, seed, { rate: 0.25 }))(x, tf.onesLike(x));
  expect(value.shape).toEqual([3, 100]);
  expect(Float32Array.from(value.dataSync())).toEqual(mask);
  expect(Float32Array.from(grad.dataSync())).toEqual(mask);
  tf.dispose([x, seed, value, grad]);
});
