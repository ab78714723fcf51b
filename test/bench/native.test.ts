import { describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { measure } from '../../src/bench/contender.js';
import { BenchData } from '../../src/bench/data.js';
import { DeviceBench, deviceContender } from '../../src/bench/device.js';
import { cachedRates } from '../../src/bench/l1.js';
import { hostContender, OutputBuffers } from '../../src/bench/native.js';
import { relate } from '../../src/bench/ratios.js';
import type { OpPass } from '../../src/bench/types.js';
import { opWorks, yardstickWorks } from '../../src/bench/work.js';
import { emulatedCuda, native } from '../native/harness.js';

const EFFORT = { minRounds: 1, maxRounds: 1, budgetMs: 0 };
const TRAFFICS = ['1:1', '2:1', '2:2', '3:1', '3:2'];

test('outputs are shared, and grow', () => {
  const outputs = new OutputBuffers();
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

test('works say what their passes read and write', () => {
  const works = opWorks(activationRows, new BenchData({ rows: 2, cols: 8 }), 'cpu');
  const traffic = (op: string) =>
    works.filter(({ identity }) => identity.op === op).map(({ identity }) => identity.traffic);
  expect(traffic('polynorm')).toEqual(['1:1', '2:1']);
  expect(traffic('swiglu')).toEqual(['2:1', '3:2']);
  const beside = { device: 'cpu', backend: 'native' } as const;
  const yardsticks = yardstickWorks(new BenchData({ rows: 2, cols: 8 }), beside, [
    '1:1 + 2:1',
    '2:1',
    undefined,
  ]);
  expect(yardsticks.map(({ identity }) => `${identity.op}, ${identity.method}`)).toEqual([
    ...['copy, memcpy', 'copy, streaming stores'],
    ...['stream 1:1, ordinary stores', 'stream 1:1, streaming stores'],
    ...['stream 2:1, ordinary stores', 'stream 2:1, streaming stores'],
  ]);
});

describe.skipIf(native === undefined)('kernels driven directly', () => {
  test('have a rate from the first-level caches, if they are element-wise', () => {
    const rate = cachedRates(native!, 'f32', 2);
    const identity = { variant: 'fused', dtype: 'f32', device: 'cpu', backend: 'native' } as const;
    const of = (op: string, pass: OpPass) => rate({ op, label: op, pass, rows: 1, cols: 1, ...identity });
    for (const op of ['gelu', 'polyrelu', 'swiglu'])
      for (const pass of ['forward', 'backward'] as const)
        expect(of(op, pass).l1_gb_per_s, `${op} ${pass}`).toBeGreaterThan(1);
    expect(of('polynorm', 'forward')).toEqual({});
    expect(of('stream 1:1', 'forward')).toEqual({});
  });

  test('are right in every output of every op, as are the yardsticks', () => {
    const queue = native!.createQueue();
    for (const dtype of ['f32', 'bf16'] as const) {
      const data = new BenchData({ rows: 48, cols: 130 }, dtype);
      const outputs = new OutputBuffers();
      const works = [
        ...opWorks(activationRows, data, 'cpu'),
        ...yardstickWorks(data, { device: 'cpu', backend: 'native' }, TRAFFICS),
      ];
      expect(works).toHaveLength(2 * activationRows.length + 12);
      const { rows, notes } = measure(
        works.map((work) => hostContender(queue, work, outputs)),
        EFFORT,
      );
      expect(notes).toEqual([]);
      expect(rows.filter(({ ok }) => !ok)).toEqual([]);
      const related = relate(rows, 1);
      expect(related).toHaveLength(2 * activationRows.length + 6);
      for (const row of related) if (row.variant === 'fused') expect(row.of_stream).toBeGreaterThan(0);
    }
    queue.dispose();
  });

  test('fail where the reference says something else', () => {
    const queue = native!.createQueue();
    const op = activationRows[0]!;
    const forward: typeof op.reference.forward = (inputs, scalars) => {
      const [sums] = op.reference.forward(inputs, scalars);
      sums!.value[0]! += 0.01;
      return [sums!];
    };
    const lying = { ...op, reference: { ...op.reference, forward } };
    const outputs = new OutputBuffers();
    const works = opWorks([lying], new BenchData({ rows: 2, cols: 8 }), 'cpu');
    const { rows } = measure(
      works.map((work) => hostContender(queue, work, outputs)),
      EFFORT,
    );
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

const emulated = await emulatedCuda();

describe.skipIf(emulated === undefined)("a GPU's kernels driven directly", () => {
  test.each(['f32', 'f16', 'bf16'] as const)(
    'are right in every output, and timed by the device: %s',
    (dtype) => {
      const queue = emulated!.createQueue({ device: 'cuda' });
      const data = new BenchData({ rows: 4, cols: 130 }, dtype);
      const bench = new DeviceBench(queue, 4 * 130 * 4);
      expect(bench.sets).toBe(16);
      expect(bench.coldBytes).toBe((4 * 65536) / 16);
      const works = [
        ...opWorks(activationRows, data, 'emulated'),
        ...yardstickWorks(data, { device: 'emulated', backend: 'native' }, TRAFFICS),
      ];
      const { rows } = measure(
        works.map((work) => deviceContender(bench, work)),
        EFFORT,
      );
      bench.dispose();
      expect(rows).toHaveLength(2 * activationRows.length + 11);
      expect(rows.filter(({ ok }) => !ok)).toEqual([]);
      for (const row of rows) {
        expect(row).toMatchObject({ device: 'emulated', timing: 'device' });
        expect(row.launches).toBeLessThanOrEqual(64);
        expect(row.ms_call).toBeGreaterThan(0);
      }
      queue.dispose();
      expect(emulated!.memoryInUse('cuda')).toBe(0);
    },
  );
});
