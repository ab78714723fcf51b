import { tensorflowStatus } from '../../src/tensorflow/index.js';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { measurePeak } from '../../src/model/peak.js';

const KB = 1024;

const backends = tensorflowStatus.package === undefined ? ['cpu'] : ['cpu', 'tensorflow'];
if (backends.length === 1) console.warn(`skipped: peaks on tfjs-node: ${tensorflowStatus.missing}`);

test.each(backends)('counts what is live at once, and views not at all: %s', async (backend) => {
  await tf.setBackend(backend);
  const before = tf.ones([256]);
  let midway = 0;
  const { result, peakBytes, leftBytes } = measurePeak((live) => {
    const first = tf.add(before, 1); // 1 KB, or 2 with a scalar that is gone at once
    const views = [tf.reshape(first, [16, 16]), first.clone(), tf.reshape(before, [16, 16])];
    const second = tf.concat([first, first, first]); // 3 KB
    tf.dispose([first, ...views]);
    midway = live();
    const third = tf.concat([second, second]); // 6 KB, beside the second
    second.dispose();
    return third;
  });
  const axis = backend === 'tensorflow' ? 4 : 0; // tfjs-node tells it to its kernel in a tensor
  expect(peakBytes).toBe(9 * KB + axis);
  expect(midway).toBe(3 * KB);
  expect(leftBytes).toBe(6 * KB);
  tf.dispose([result, before]);
});

test('an error leaves the engine as it was', () => {
  const { tensorInfo } = (tf.engine() as unknown as { state: { tensorInfo: unknown } }).state;
  expect(() =>
    measurePeak(() => {
      throw new Error('of f');
    }),
  ).toThrow('of f');
  expect((tf.engine() as unknown as { state: { tensorInfo: unknown } }).state.tensorInfo).toBe(tensorInfo);
});
