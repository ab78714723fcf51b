import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/folder.js';
import { byteTokenizer } from '../../src/data/bytes.js';
import type { Data } from '../../src/data/index.js';
import { parameterCounts, Transformer } from '../../src/model/index.js';
import {
  evaluate,
  flopsPerToken,
  measureMatmulPeak,
  settingsOf,
  Trainer,
  train,
} from '../../src/train/index.js';
import { backends, freshFolder, logOf, resultsOf, smallData, smallModel, smallSettings } from './harness.js';

/** A source of these tokens. */
function sourceOf(tokens: readonly number[], vocabulary: number): Data['train'] {
  const all = Int32Array.from(tokens);
  return {
    length: all.length,
    vocabulary,
    read: (start, into) => into.set(all.subarray(start, start + into.length)),
    close: () => undefined,
  };
}

describe.each(backends)('on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  test('training on the synthetic language gains on its order 0 entropy, and leaves no tensor', async () => {
    const before = tf.memory().numTensors;
    const settings = { steps: 60, batch: 8, learningRate: 1e-2, evalEvery: 60, evalBatches: 8, saveEvery: 0 };
    const run = { config: smallModel('tiny'), data: await smallData(), out: freshFolder(), settings };
    const { evaluation } = await train(run);
    expect(evaluation!.loss).toBeLessThan(Math.log(16) - 0.15);
    expect(evaluation!.loss).toBeGreaterThan(run.data.entropy!);
    expect(evaluation!.perplexity).toBeCloseTo(Math.exp(evaluation!.loss), 10);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('no step leaves a tensor', async () => {
    const config = smallModel('tiny-moe', { dropout: 0.1 });
    const settings = settingsOf({ ...smallSettings, accumulate: 2 }, config.context);
    const trainer = Trainer.create(config, await smallData(), settings);
    const counts: number[] = [];
    for (let i = 0; i < 4; ++i) {
      await trainer.next();
      await trainer.evaluate();
      counts.push(tf.memory().numTensors);
    }
    expect(new Set(counts).size, `${counts}`).toBe(1);
    trainer.dispose();
  });

  test('two batches accumulated are one of twice the size', async () => {
    const config = smallModel('tiny');
    const reports = [];
    for (const sizes of [{ batch: 4 }, { batch: 2, accumulate: 2 }]) {
      const settings = settingsOf({ ...smallSettings, ...sizes }, config.context);
      const trainer = Trainer.create(config, await smallData(), settings);
      await trainer.next();
      reports.push(await trainer.next());
      trainer.dispose();
    }
    const [one, two] = reports;
    expect(two!.tokens).toBe(one!.tokens);
    expect(two!.loss).toBeCloseTo(one!.loss, 5);
    expect(two!.gradientNorm).toBeCloseTo(one!.gradientNorm, 4);
  });
});

describe('in JavaScript', () => {
  const config = smallModel('tiny');
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  test('a loss that is NaN ends it, and names the step, the windows and the last checkpoint', async () => {
    const out = freshFolder();
    const run = { config, data: await smallData(), out, settings: { ...smallSettings, saveEvery: 2 } };
    let model: Transformer;
    const error: unknown = await train({
      ...run,
      onStart: (trainer) => {
        model = trainer.model;
      },
      onStep: ({ step }) => {
        const norm = model.parameters.get('model.norm.weight')!;
        if (step === 3) tf.tidy(() => norm.assign(tf.fill(norm.shape, Number.NaN)));
      },
    }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'PolycomError', code: 'NOT_FINITE' });
    expect((error as Error).message).toMatch(
      /^step 4: the loss is NaN on windows 6 to 7 of epoch 0; the last checkpoint is \S+step-00000002\n {2}remedy:/,
    );
    expect(resultsOf(out)).toHaveLength(3);
    const { model: saved, step } = await loadCheckpoint(out);
    expect(step).toBe(2);
    for (const { data } of saved.values()) expect(data.every(Number.isFinite)).toBe(true);
    const result = await train({ ...run, settings: { ...run.settings, learningRate: 1e-4 } });
    expect(result).toMatchObject({ step: 8, resumedFrom: 2 });
  });

  test('a gradient that is infinite ends it before anything is changed', async () => {
    const settings = settingsOf(smallSettings, config.context);
    const trainer = Trainer.create(config, await smallData(), settings);
    const huge = trainer.model.parameters.get('model.layers.0.mlp.down_proj.weight')!;
    tf.tidy(() => huge.assign(tf.fill(huge.shape, 1e-38)));
    const norm = trainer.model.parameters.get('model.norm.weight')!;
    tf.tidy(() => norm.assign(tf.mul(norm, 1e38)));
    await expect(trainer.next()).rejects.toThrow(
      /^step 1: .*(NaN|Infinity) on windows 0 to 1.*no checkpoint yet/,
    );
    expect(huge.dataSync().every((value) => value === Math.fround(1e-38))).toBe(true);
    expect(trainer.step).toBe(0);
    trainer.dispose();
  });

  test('the log has a line for each step and evaluation, and MFU where a peak is given', async () => {
    const out = freshFolder();
    const peak = { flops: 1e9, named: 'of a test' };
    await train({
      config: smallModel('tiny-moe'),
      data: await smallData(),
      out,
      settings: smallSettings,
      peak,
    });
    expect(logOf(out, 'eval').map(({ step }) => step)).toEqual([4, 8]);
    expect(logOf(out, 'start')).toMatchObject([{ step: 0, peak, backend: 'cpu', settings: { steps: 8 } }]);
    const [first] = logOf(out, 'step');
    expect(Object.keys(first!)).toEqual(
      'kind step loss cross_entropy balance z gradient_norm learning_rate tokens seconds tok_per_s mfu'.split(
        ' ',
      ),
    );
    const { tok_per_s: rate, mfu } = first as { tok_per_s: number; mfu: number };
    expect(mfu / ((rate * flopsPerToken(smallModel('tiny-moe'), 8)) / 1e9)).toBeCloseTo(1, 2);
  });

  test('FLOPs of a token are 6 N and those of attention', () => {
    const { active } = parameterCounts(config);
    expect(flopsPerToken(config, 8)).toBe(6 * active + 12 * 2 * 2 * 4 * 8);
  });

  test('a peak is measured, and says of what', async () => {
    const { flops, named } = await measureMatmulPeak();
    expect(flops).toBeGreaterThan(1e6);
    expect(flops).toBeLessThan(1e13);
    expect(named).toMatch(/^a product of \d+ x \d+ float32 matrices, measured in this process$/);
  });

  test('an evaluation weighs a last batch of fewer windows by its tokens, and counts bytes', async () => {
    const model = Transformer.create(smallModel('tiny', { vocabulary: 257 }));
    const text = [...byteTokenizer.encode('a text of some bytes, of several windows')];
    const tokens = [...text.slice(0, 20), 256, ...text.slice(20)];
    const source = sourceOf(tokens, 257);
    const [whole, parts] = [5, 3].map((batch) =>
      evaluate(model, source, { batch, time: 8, tokenizer: byteTokenizer }),
    );
    const { loss, tokens: count, bitsPerByte } = await whole!;
    expect(count).toBe(40);
    expect((await parts!).loss).toBeCloseTo(loss, 5);
    expect(bitsPerByte).toBeCloseTo((loss * 40) / Math.LN2 / 39, 10);
    const few = await evaluate(model, source, { batch: 2, time: 8, batches: 1 });
    expect(few.tokens).toBe(16);
    expect(few.bitsPerByte).toBeUndefined();
    model.dispose();
  });

  test('settings and data that do not fit are typed errors', async () => {
    const data = await smallData();
    const attempt = (settings: object, other = config) =>
      train({ config: other, data, out: freshFolder(), settings }).catch(String);
    expect(await attempt({ batch: 0 })).toMatch(/batch is 0; expected a whole number, 1 or more/);
    expect(await attempt({ time: 9 })).toMatch(/time is 9; expected at most the context of the model, 8/);
    expect(await attempt({ warmup: 9, steps: 8 })).toMatch(
      /warmup is 9; expected at most the number of steps/,
    );
    expect(await attempt({ memory: 'none' })).toMatch(
      /memory is "none"; expected one of block, checkpoint, tape/,
    );
    expect(await attempt({ speed: 1 })).toMatch(/no setting speed/);
    const small = smallModel('tiny', { vocabulary: 15 });
    expect(await attempt({}, small)).toMatch(/data has a vocabulary of 16; expected one of the model's, 15/);
  });
});

test('event files for TensorBoard hold the scalars of steps and evaluations', async (context) => {
  if (!backends.includes('tensorflow'))
    return context.skip('there is no tfjs-node, whose TensorFlow writes them');
  await tf.setBackend('tensorflow');
  const out = freshFolder();
  const folder = join(out, 'tensorboard');
  const run = { config: smallModel('tiny'), data: await smallData(), out, settings: smallSettings };
  await train({ ...run, tensorboard: true });
  const [file] = readdirSync(folder);
  expect(file).toMatch(/^events\.out\.tfevents\./);
  const bytes = readFileSync(join(folder, file!), 'latin1');
  for (const name of ['train/loss', 'train/gradient_norm', 'train/learning_rate', 'heldout/loss']) {
    expect(bytes.split(name).length - 1, name).toBe(name.startsWith('train') ? 8 : 2);
  }
});
