import { afterAll, describe, expect, test } from 'vitest';
import type { VerifyDocument } from '../../src/verify/index.js';
import { polycom } from '../cli/harness.js';
import { environmentOf, onRealGpu, testDevice } from './device/build.js';
import { runProgram, startProgram } from './device/run.js';
import { removeFolders } from './link-harness.js';

const device = await testDevice();
if (onRealGpu)
  console.warn('skipped: drivers and GPUs that are too old, which only the emulator can be told to be');
afterAll(removeFolders);

interface Copies {
  readonly toDevice: number;
  readonly toHost: number;
}

describe.skipIf(device === undefined)('TensorFlow on a GPU', { timeout: 300_000 }, () => {
  test('has every op right', () => {
    const { status, stdout, stderr } = polycom(
      ['verify', '--json', '--backend', 'tensorflow', '--device', 'cuda'],
      environmentOf(device!),
    );
    const { results, hosts } = JSON.parse(stdout) as VerifyDocument;
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect([status, hosts], stderr).toEqual([0, [{ backend: 'tensorflow', device: 'cuda' }]]);
    expect(results.length).toBeGreaterThan(850);
    for (const kind of ['forward', 'backward', 'repeat', 'special'])
      expect(results.some((result) => result.kind === kind)).toBe(true);
  });

  test('copies nothing between ops', async () => {
    const found = await runProgram<{
      chained: Copies;
      read: Copies;
      differentiated: Copies;
      apart: number;
      shapes: number[][];
    }>(device!, 'copies');
    expect(found.chained).toEqual({ toDevice: 0, toHost: 0 });
    expect(found.read).toEqual({ toDevice: 0, toHost: 1 });
    expect(found.differentiated.toHost).toBe(0);
    expect(found.apart).toBeLessThan(1e-3);
    expect(found.shapes).toEqual([[32, 100], [3], []]);
  });

  // TensorFlow keeps what it has copied of a tensor to the host, and never looks at the device again.
  test('reads what AdamW has written in place', async () => {
    const { read, tensors } = await runProgram<{
      read: { parameter: number[]; twice: number[]; m: number[] }[];
      tensors: number;
    }>(device!, 'written');
    const wanted = [1, 2, 3, 4].map((step) => [1 - step / 10, 2 - step / 10, 3 + step / 10, 4 - step / 10]);
    for (const [i, { parameter, twice, m }] of read.entries()) {
      for (const [j, value] of wanted[i]!.entries()) {
        expect(parameter[j]).toBeCloseTo(value, 5);
        expect(twice[j]).toBeCloseTo(2 * value, 5);
      }
      expect(m).toEqual([1, 1, -1, 1]);
    }
    expect(tensors).toBe(0);
  });

  test('uses freed memory again without mixing anything up', async () => {
    expect(await runProgram(device!, 'load')).toEqual({ wrong: 0 });
  });

  test('takes a hundred thousand calls in flat memory', async () => {
    const found = await runProgram<{ grown: number; tensors: number; y: number[] }>(device!, 'many', {
      CALLS: '100000',
    });
    expect(found).toMatchObject({ tensors: 0, y: [1, 0, 9] });
    expect(found.grown, 'MiB').toBeLessThan(16);
  });

  test.skipIf(onRealGpu).each([
    ['cudaErrorInsufficientDriver', /^update the driver/],
    ['cudaErrorNoKernelImageForDevice', /^run: npx polycom build --architectures 90-real$/],
  ])('has compositions where the kernels cannot run: %s', async (FAULT, wanted) => {
    const { status, stdout, stderr } = await startProgram(device!, 'refused', { FAULT });
    expect(status, stderr).toBe(0);
    const { fused, reason, remedy, kernel, y } = JSON.parse(stdout);
    expect({ fused, kernel }).toEqual({ fused: false, kernel: null });
    expect(reason).toContain(FAULT);
    expect(remedy).toMatch(wanted);
    for (const [i, value] of [3, 4].entries()) expect(y[i]).toBeCloseTo(value / Math.sqrt(12.5), 5);
    expect(stderr).toBe(`polycom: no fused ops in TensorFlow: ${reason}; remedy: ${remedy}\n`);
  });

  // 0: on TensorFlow's stream; 2: by events of the context; 3: by waiting. Without a word the first that there is.
  test.each([
    [undefined, 0],
    ['0', 0],
    ['2', 2],
    ['3', 3],
  ])('orders ops with late copies, with POLYCOM_STREAM_TIER %s', async (POLYCOM_STREAM_TIER, tier) => {
    expect(await runProgram(device!, 'race', { POLYCOM_STREAM_TIER })).toEqual({ tier, wrong: 0 });
  });

  test('would find ops that are in no order with them', async () => {
    const { wrong } = await runProgram<{ wrong: number }>(device!, 'race', { MISLEAD: '1' });
    expect(wrong).toBeGreaterThan(0);
  });

  test('gives the same bits whatever the order is kept by', async () => {
    const found = [];
    for (const POLYCOM_STREAM_TIER of ['0', '2', '3'])
      found.push(await runProgram<{ digest: string }>(device!, 'tiers', { POLYCOM_STREAM_TIER }));
    expect(new Set(found.map(({ digest }) => digest)).size).toBe(1);
    expect(found).toMatchObject([{ tier: 0 }, { tier: 2 }, { tier: 3 }]);
  });

  test('refuses a tier that is not to be had', async () => {
    const { status, stderr } = await startProgram(device!, 'race', { POLYCOM_STREAM_TIER: '1' });
    expect(status).not.toBe(0);
    expect(stderr).toContain('POLYCOM_STREAM_TIER=1 is not to be had here; expected 0, 2, 3');
    const none = await startProgram(device!, 'race', { POLYCOM_STREAM_TIER: 'events' });
    expect(none.status).not.toBe(0);
    expect(none.stderr).toContain('POLYCOM_STREAM_TIER is events; expected 0, 1, 2 or 3');
  });
});
