import { describe, expect, test } from 'vitest';
import { activations } from '../../src/activations/table.js';
import { measure } from '../../src/bench/contender.js';
import { BenchData } from '../../src/bench/data.js';
import { copyContenders, nativeContenders, Outputs } from '../../src/bench/native.js';
import { native } from '../native/harness.js';

const EFFORT = { minRounds: 1, maxRounds: 1, budgetMs: 0 };

test('outputs are shared, and grow', () => {
  const outputs = new Outputs();
  const take = (rows: number) =>
    outputs.take([
      { shape: [rows, 4], dtype: 'f32' },
      { shape: [], dtype: 'f32' },
    ]);
  const [first, scalar] = take(2);
  expect(first!.data).toHaveLength(8);
  expect(scalar!.data).toHaveLength(1);
  expect(take(1)[0]!.data.buffer).toBe(first!.data.buffer);
  expect(take(3)[0]!.data).toHaveLength(12);
  expect(outputs.take([{ shape: [3, 4], dtype: 'bf16' }])[0]!.data).toBeInstanceOf(Uint16Array);
});

describe.skipIf(native === undefined)('kernels driven directly', () => {
  test('are right in every output of every op', () => {
    const queue = native!.createQueue();
    const data = new BenchData({ rows: 48, cols: 130 });
    const outputs = new Outputs();
    const contenders = [
      ...nativeContenders(queue, activations, data, outputs),
      ...copyContenders(queue, data, outputs, { backend: 'native' }),
    ];
    expect(contenders).toHaveLength(2 * activations.length + 2);
    const { rows } = measure(contenders, EFFORT);
    expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    queue.dispose();
  });

  test('fail where the reference says something else', () => {
    const queue = native!.createQueue();
    const op = activations[0]!;
    const forward: typeof op.reference.forward = (inputs) => {
      const sums = op.reference.forward(inputs);
      sums.value[0]! += 0.01;
      return sums;
    };
    const lying = { ...op, reference: { ...op.reference, forward } };
    const data = new BenchData({ rows: 2, cols: 8 });
    const { rows } = measure(nativeContenders(queue, [lying], data, new Outputs()), EFFORT);
    expect(rows[0]).toMatchObject({
      pass: 'forward',
      ok: false,
      failure: expect.stringMatching(/^y is off/),
    });
    expect(rows[0]).not.toHaveProperty('ms_p50');
    expect(rows[1]).toMatchObject({ pass: 'backward', ok: true });
    queue.dispose();
  });
});
