import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, test } from 'vitest';
import { readAnyDocument } from '../../src/bench/models/document.js';
import { checkFits, freeBytes, planMemory, trainingNeed } from '../../src/bench/models/memory.js';
import { makeStepper } from '../../src/bench/models/step.js';
import type { ModelDocument, TrainDocument } from '../../src/bench/models/types.js';
import { configOf, measurePeak, parameterCounts } from '../../src/model/index.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { ROOT, removeFolders, temporaryFolder } from '../tensorflow/link-harness.js';

afterAll(removeFolders);
const linked = tensorflowStatus.fused;
if (!linked) console.warn('skipped: what benchmarks hold in memory: no fused ops in TensorFlow');

const config = configOf('tiny', { activation: 'relu' });
const contenders = (['fused', 'composed', 'stock'] as const).map((variant) => ({ config, variant }));
const need = ({ variant }: { variant: string }) => ({ held: 3e9, working: variant === 'stock' ? 9e9 : 2e9 });

describe('a plan', () => {
  test('holds all at once where they fit', () => {
    const { groups, notes, line } = planMemory(contenders, need, 30e9); // 3 × 3 + 9 GB
    expect(groups).toEqual([contenders]);
    expect(notes).toEqual([]);
    expect(line).toBe(
      'memory: about 5 GB to 12 GB for a contender, 18 GB for all 3; 30 GB are free: all are held at once',
    );
  });

  test('holds one at a time where they do not, and says so', () => {
    const { groups, notes } = planMemory(contenders, need, 16e9);
    expect(groups).toEqual(contenders.map((contender) => [contender]));
    expect(notes).toEqual([expect.stringContaining('one is held at a time')]);
  });

  test('leaves out what does not fit alone', () => {
    const { groups, notes } = planMemory(contenders, need, 10e9);
    expect(groups).toEqual([[contenders[0]], [contenders[1]]]);
    expect(notes.at(-1)).toBe('relu, stock left out: it needs about 12 GB of memory');
  });

  test('is an error before anything is made where nothing fits', () => {
    const plan = planMemory(contenders, need, 1e9);
    expect(() => checkFits(plan)).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    expect(() => checkFits(planMemory(contenders, need, 10e9))).not.toThrow();
  });
});

test("the free memory is at most what TensorFlow's allocator may take", () => {
  const limited = { TF_CPU_ALLOCATOR_USE_BFC: '1', TF_CPU_BFC_MEM_LIMIT_IN_MB: '3' };
  expect(freeBytes(limited)).toBe(3 * 2 ** 20);
  expect(freeBytes({ ...limited, TF_CPU_ALLOCATOR_USE_BFC: undefined })).toBeGreaterThan(3 * 2 ** 20);
});

describe.skipIf(!linked)('an estimate', () => {
  const shapes = [
    { batch: 4, time: 64 },
    { batch: 2, time: 128 },
  ];
  const cases = shapes.flatMap((shape) =>
    (['relu', 'swiglu', 'polynorm'] as const).flatMap((activation) =>
      (['fused', 'composed', 'stock'] as const).map((variant) => ({ ...shape, activation, variant })),
    ),
  );

  test.each(cases)(
    'of $activation, $variant at $batch × $time is near what its tensors take',
    async (each) => {
      await tf.setBackend('tensorflow');
      const config = configOf('tiny', { activation: each.activation });
      const stepper = makeStepper(config, each.variant, each);
      const { peakBytes } = measurePeak(stepper.gradients);
      stepper.dispose();
      const { held, working } = trainingNeed(config, each.variant, each);
      expect(held).toBe(12 * parameterCounts(config).total);
      expect(working).toBeGreaterThan(0.8 * peakBytes);
      // The check of a fused model takes more than the model.
      if (each.variant !== 'fused') expect(working).toBeLessThan(2.5 * peakBytes);
    },
  );
});

describe.skipIf(!linked)('polycom bench train in little memory', () => {
  const [json] = ['train.json'].map((name) => join(temporaryFolder(), name)) as [string];
  // Room for any one contender but the largest.
  const env = { ...process.env, TF_CPU_BFC_MEM_LIMIT_IN_MB: '100' };
  const args = [
    '--quick',
    '--preset',
    'tiny',
    '--activations',
    'relu,polynorm',
    '--batch',
    '32',
    '--time',
    '64',
  ];

  test('says so beforehand, and keeps what it measured when it is killed', async () => {
    const main = ['--import', import.meta.resolve('tsx'), join(ROOT, 'src/cli/main.ts')];
    const child = spawn(process.execPath, [...main, 'bench', 'train', ...args, '--json', json], { env });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const rowsIn = () =>
      existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as ModelDocument).results : [];
    const until = Date.now() + 100_000;
    while (rowsIn().length < 2 && child.exitCode === null && Date.now() < until) await sleep(100);
    child.kill('SIGKILL');
    await ended;
    const { results, notes } = readAnyDocument(json) as TrainDocument;
    expect(stderr).toMatch(/^polycom: memory: about .* for a contender, .*: one is held at a time/m);
    expect(stderr.indexOf('polycom: memory')).toBeLessThan(stderr.indexOf('polycom: measuring training'));
    expect(results.map(({ activation, variant, ok }) => [activation, variant, ok]).slice(0, 2)).toEqual([
      ['relu', 'fused', true],
      ['relu', 'composed', true],
    ]);
    expect(notes.at(-1)).toBe('this run did not come to its end');
    expect(notes).toContainEqual(expect.stringMatching(/^polynorm, stock left out: it needs about/));
  });

  test('is refused at once where nothing fits', async () => {
    const main = ['--import', import.meta.resolve('tsx'), join(ROOT, 'src/cli/main.ts')];
    const child = spawn(process.execPath, [...main, 'bench', 'train', '--preset', 'gpt2-124m'], {
      env: { ...env, TF_CPU_BFC_MEM_LIMIT_IN_MB: '500' },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect(status).toBe(1);
    expect(stderr).toMatch(/polycom: nothing fits the memory: .*\n {2}remedy: .*: --batch, --time/);
  });
});
