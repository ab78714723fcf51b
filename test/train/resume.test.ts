import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { ModelConfig } from '../../src/model/index.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { type SomeSettings, type TrainRun, train } from '../../src/train/index.js';
import { backends, freshFolder, logOf, resultsOf, smallData, smallModel, smallSettings } from './harness.js';

/** Everything that has a state: dropout, accumulation, batches that span epochs. */
const settings: SomeSettings = { ...smallSettings, accumulate: 2, batch: 3 };

const MODELS: Record<string, ModelConfig> = {
  dense: smallModel('tiny', { dropout: 0.1 }),
  mixture: smallModel('tiny-moe', { dropout: 0.1 }),
};

async function runOf(out: string, config: ModelConfig, more: Partial<TrainRun> = {}): Promise<TrainRun> {
  return { config, data: await smallData(100), out, settings, ...more };
}

describe.each(backends)('on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  test.each(Object.keys(MODELS))(
    'a run that goes on has the losses, to the bit, of one that never stopped: %s',
    async (name) => {
      const [whole, parts] = [freshFolder(), freshFolder()];
      const before = tf.memory().numTensors;
      await train(await runOf(whole, MODELS[name]!));
      for (const until of [2, 5, 8]) {
        const stop = new AbortController();
        const onStep = ({ step }: { step: number }) => step === until && stop.abort();
        const result = await train(await runOf(parts, MODELS[name]!, { signal: stop.signal, onStep }));
        expect(result).toMatchObject({ step: until, interrupted: true });
      }
      // The last step's evaluation is left.
      const last = await train(await runOf(parts, MODELS[name]!));
      expect(last).toMatchObject({ step: 8, resumedFrom: 8, interrupted: false });
      expect(last.evaluation).toBeDefined();
      expect(tf.memory().numTensors).toBe(before);
      expect(resultsOf(parts)).toEqual(resultsOf(whole));
      expect(resultsOf(whole).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(logOf(parts, 'eval')).toEqual(logOf(whole, 'eval'));
      expect(logOf(parts, 'start').map(({ step }) => step)).toEqual([0, 2, 5, 8]);
      for (const file of ['model.safetensors', 'optimizer.safetensors']) {
        const bytes = (run: string) => readFileSync(join(run, 'step-00000008', file));
        expect(bytes(parts).equals(bytes(whole)), file).toBe(true);
      }
    },
  );
});

describe('going on with other arithmetic is said', () => {
  test.each(backends)('than %s', async (backend) => {
    await tf.setBackend(backend);
    const out = freshFolder();
    await train(await runOf(out, MODELS.dense!));
    const [start] = logOf(out, 'start');
    const isFused = backend === 'tensorflow' && tensorflowStatus.fused;
    expect(start!.backend).toBe(backend);
    if (isFused) expect(start!.simd).toMatch(/^(baseline|avx2|avx512|neon|sve)/);
    else expect(start!.simd).toBeUndefined();
    const log = join(out, 'log.jsonl');
    const other = { ...start, backend: 'another', simd: 'an older one' };
    writeFileSync(log, readFileSync(log, 'utf8').replace(/^.*\n/, `${JSON.stringify(other)}\n`));
    const said: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
    vi.stubEnv('POLYCOM_QUIET', '');
    await train(await runOf(out, MODELS.dense!, { settings: { ...settings, steps: 9 } })).finally(() => {
      write.mockRestore();
      vi.unstubAllEnvs();
    });
    const simd = isFused ? start!.simd : 'none';
    expect(said.join('')).toContain(
      `polycom: from step 8 on with other arithmetic: backend another to ${backend}, simd an older one to ${simd}; `,
    );
    // The next one goes on with the same.
    await train(await runOf(out, MODELS.dense!, { settings: { ...settings, steps: 10 } }));
    expect(logOf(out, 'start').map(({ simd }) => simd)).toEqual(['an older one', start!.simd, start!.simd]);
  });
});

describe('going on', () => {
  const dense = smallModel('tiny');
  const started = freshFolder();
  const data = smallData();
  const run = async (more: Partial<TrainRun> = {}): Promise<TrainRun> => {
    return { config: dense, data: await data, out: started, settings: smallSettings, ...more };
  };

  beforeAll(async () => {
    await tf.setBackend('cpu');
    await train(await run());
  });

  test('keeps the last checkpoints, the last step among them', () => {
    expect(readdirSync(started).filter((name) => name.startsWith('step-'))).toEqual([
      'step-00000003',
      'step-00000006',
      'step-00000008',
    ]);
  });

  test('has nothing to do where all steps were taken', async () => {
    const before = readFileSync(join(started, 'log.jsonl'), 'utf8');
    const result = await train(await run());
    expect(result).toMatchObject({ step: 8, interrupted: false, resumedFrom: 8 });
    expect(result.loss).toBeUndefined();
    expect(readFileSync(join(started, 'log.jsonl'), 'utf8')).toBe(before);
  });

  test.each<[string, () => Promise<Partial<TrainRun>>, RegExp]>([
    [
      'another width and activation',
      async () => ({ config: smallModel('tiny', { width: 16, activation: 'relu' }) }),
      /another model: width is 8 there, 16 here, .*activation is "polynorm" there, "relu" here/,
    ],
    [
      'a mixture',
      async () => ({ config: smallModel('tiny-moe') }),
      /another model: .*experts is absent there, \{"count":4,/,
    ],
    [
      'other tokens',
      async () => ({ data: await smallData(4096, 1) }),
      /other data: 4,096 tokens .* there, 4,096 /,
    ],
    [
      'fewer tokens',
      async () => ({ data: await smallData(2048) }),
      /other data: 4,096 tokens .* there, 2,048 /,
    ],
    [
      'another seed',
      async () => ({ settings: { ...smallSettings, seed: 1 } }),
      /another seed: 0 there, 1 here/,
    ],
    [
      'another time',
      async () => ({ settings: { ...smallSettings, time: 4 } }),
      /another time: 8 there, 4 here/,
    ],
    ['a new run', async () => ({ resume: 'never' }), /holds a training run already/],
  ])('with %s is an error that says so', async (_, more, message) => {
    const error: unknown = await train(await run(await more())).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'PolycomError', code: 'INVALID_ARGUMENT' });
    expect((error as Error).message).toMatch(message);
  });

  test('without a checkpoint is an error where there must be one', async () => {
    const error: unknown = await train(await run({ out: freshFolder(), resume: 'required' })).catch(String);
    expect(error).toMatch(/no checkpoint in/);
  });

  test('a folder that holds other things is not touched', async () => {
    const out = join(started, '..');
    writeFileSync(join(out, 'tokenizer.json'), 'mine');
    await expect(train(await run({ out }))).rejects.toThrow(/not empty, and holds no training run/);
    expect(readFileSync(join(out, 'tokenizer.json'), 'utf8')).toBe('mine');
  });

  test('more steps, and another learning rate, are fine', async () => {
    const more = { ...smallSettings, steps: 10, learningRate: 1e-4 };
    const result = await train(await run({ settings: more }));
    expect(result).toMatchObject({ step: 10, resumedFrom: 8 });
    expect(resultsOf(started).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('a damaged checkpoint is passed over, and the log follows', async () => {
    const file = join(started, 'step-00000010', 'optimizer.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 5]! ^= 1;
    writeFileSync(file, bytes);
    const losses = resultsOf(started);
    const more = { ...smallSettings, steps: 10, learningRate: 1e-4 };
    const result = await train(await run({ settings: more }));
    expect(result).toMatchObject({ step: 10, resumedFrom: 9 });
    expect(resultsOf(started)).toEqual(losses);
  });
});
