import { describe, expect, test } from 'vitest';
import { fusedOps } from '../../src/fused/table.js';
import { sameBits } from '../../src/op/compare.js';
import { queuePairs } from '../native/harness.js';
import { expectClose, runNative } from './harness.js';

const hosts = await queuePairs([1, 4]);

const cases = hosts.flatMap((host) => fusedOps.map((op) => ({ name: op.name, op, ...host })));

describe.each(cases)('$name on $host', ({ op, queues }) => {
  if (queues === undefined) return test.skip('needs the library', () => undefined);
  const samples = op.samples().map((sample) => ({ ...sample, sample }));

  test.each(samples)('agrees with its reference: $title', ({ sample }) => {
    expectClose(runNative(queues[0]!, op, sample), op, sample);
  });

  test('gives the same bits again, and on another queue', () => {
    for (const { sample } of samples) {
      const first = runNative(queues[0]!, op, sample);
      for (const queue of [queues[0]!, queues[1]!]) {
        const again = runNative(queue, op, sample);
        for (const [i, output] of first.outputs.entries())
          expect(sameBits(again.outputs[i]!, output), op.outputs[i]).toBe(true);
        for (const [i, gradient] of first.gradients.entries())
          expect(sameBits(again.gradients[i]!, gradient), `d${op.gradients[i]}`).toBe(true);
      }
    }
  });
});
