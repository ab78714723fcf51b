import { describe, expect, test } from 'vitest';
import { randomIntegers, randomTensor } from '../../src/op/sample.js';
import { embeddingOp } from '../../src/transformer-ops/embedding.js';
import { expectClose, expectSame, queuePairs, runNative } from './harness.js';

const hosts = await queuePairs([1, 4]);

describe.each(hosts)('the embedding on $host', ({ queues }) => {
  if (queues === undefined) return test.skip('needs the library', () => undefined);

  test('leaves zeros where a large table has no id, and adds up an id that comes often', () => {
    const ids = randomIntegers([900], 1, 0, 40_000);
    for (let n = 0; n < 900; ++n) if (n % 3 > 0) ids.values[n] = 39_999 * (n % 2);
    const sample = { title: 'large', tensors: { table: randomTensor([40_000, 60], 2), ids } };
    const first = runNative(queues[0]!, embeddingOp, sample);
    expectClose(first, embeddingOp, sample);
    expectSame(runNative(queues[1]!, embeddingOp, sample), first, embeddingOp);
    const [dtable] = first.gradients;
    expect(dtable!.filter((value) => value === 0).length).toBeGreaterThan(39_000 * 60);
  });
});
