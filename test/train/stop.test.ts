import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Data } from '../../src/data/index.js';
import { Trainer, type TrainRun, train } from '../../src/train/index.js';
import { RunLog } from '../../src/train/log.js';
import { freshFolder, logOf, resultsOf, smallData, smallModel, smallSettings } from './harness.js';

/** Nothing is saved but what must not be lost. */
const settings = { ...smallSettings, accumulate: 2, evalEvery: 3, evalBatches: 40, saveEvery: 0 };
const config = smallModel('tiny', { dropout: 0.1 });
const STEPS = 8;
const whole = freshFolder();

async function runOf(out: string, more: Partial<TrainRun> = {}): Promise<TrainRun> {
  return { config, data: await smallData(), out, settings, ...more };
}

/** Data of which a side calls `before` ahead of each reading. */
async function watched(side: 'train' | 'heldOut', before: (reading: number) => void): Promise<Data> {
  const data = await smallData();
  const source = data[side];
  const { length, vocabulary } = source;
  let readings = 0;
  const read = (start: number, into: Int32Array): void => {
    before(++readings);
    source.read(start, into);
  };
  return { ...data, [side]: { length, vocabulary, read, close: () => source.close() } };
}

const checkpointsOf = (run: string) => readdirSync(run).filter((name) => name.startsWith('step-'));
const reasonOf = async (run: TrainRun): Promise<unknown> => train(run).catch((error: unknown) => error);

/** The run in this folder came to what one without a fault came to, each step and evaluation once. */
function expectWhole(run: string): void {
  expect(resultsOf(run)).toEqual(resultsOf(whole));
  expect(logOf(run, 'eval')).toEqual(logOf(whole, 'eval'));
  for (const file of ['model.safetensors', 'optimizer.safetensors']) {
    const [there, here] = [whole, run].map((folder) => readFileSync(join(folder, 'step-00000008', file)));
    expect(here!.equals(there!), file).toBe(true);
  }
}

beforeAll(async () => {
  await tf.setBackend('cpu');
  await train(await runOf(whole));
  expect(logOf(whole, 'eval').map(({ step }) => step)).toEqual([3, 6, 8]);
});
afterEach(() => vi.restoreAllMocks());

describe('an error after a step leaves the checkpoint of that step', () => {
  const failure = new Error('a fault');
  const fail = (): never => {
    throw failure;
  };
  test.each<[string, number, () => Promise<Partial<TrainRun>>]>([
    ['in an evaluation', 3, async () => ({ data: await watched('heldOut', (i) => i > 20 && fail()) })],
    ['in the last evaluation', 8, async () => ({ data: await watched('heldOut', (i) => i > 190 && fail()) })],
    ['in observe', 3, async () => ({ observe: () => Promise.reject(failure) })],
    ['in onStep', 5, async () => ({ onStep: ({ step }) => step === 5 && fail() })],
    ['in onEvaluation', 6, async () => ({ onEvaluation: (_, step) => step === 6 && fail() })],
    // Two batches of two windows are a step: half of the sixth's are drawn.
    ['in the step after it', 5, async () => ({ data: await watched('train', (i) => i === 23 && fail()) })],
  ])('%s', async (_, step, more) => {
    const out = freshFolder();
    expect(await reasonOf(await runOf(out, await more()))).toBe(failure);
    expect(checkpointsOf(out)).toContain(`step-0000000${step}`);
    expect(await train(await runOf(out))).toMatchObject({
      step: STEPS,
      resumedFrom: step,
      interrupted: false,
    });
    expectWhole(out);
  });

  test('also where the log cannot be written', async () => {
    const out = freshFolder();
    const { write } = RunLog.prototype;
    vi.spyOn(RunLog.prototype, 'write').mockImplementation(function (this: RunLog, record) {
      if (record.step === 5) throw failure;
      write.call(this, record);
    });
    expect(await reasonOf(await runOf(out))).toBe(failure);
    expect(checkpointsOf(out)).toEqual(['step-00000003', 'step-00000005']);
  });

  test('but a run that diverged stays at its last checkpoint, and a failed save is not repeated', async () => {
    const out = freshFolder();
    const save = vi.spyOn(Trainer.prototype, 'save').mockRejectedValue(failure);
    expect(await reasonOf(await runOf(out))).toBe(failure);
    expect(save).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
    const learningRate = 1e38;
    const diverging = { ...settings, learningRate, warmup: 0, evalEvery: 0, clip: 0 };
    const error = await reasonOf(await runOf(freshFolder(), { settings: diverging }));
    expect(error).toMatchObject({
      code: 'NOT_FINITE',
      message: expect.stringContaining('no checkpoint yet'),
    });
  });
});

describe('a signal is heard in an evaluation', () => {
  test.each([
    [3, 20],
    [8, 2 * 80 + 5],
  ])('of step %i, within a batch', async (step, reading) => {
    const out = freshFolder();
    const stop = new AbortController();
    let after = 0;
    const data = await watched('heldOut', (i) => {
      if (i === reading) stop.abort();
      else if (i > reading) ++after;
    });
    const result = await train(await runOf(out, { data, signal: stop.signal }));
    expect(result).toMatchObject({ step, interrupted: true });
    expect(after).toBeLessThan(settings.batch!);
    expect(checkpointsOf(out)).toContain(`step-0000000${step}`);
    expect(logOf(out, 'eval').map((record) => record.step)).not.toContain(step);
    expect(await train(await runOf(out))).toMatchObject({ step: STEPS, interrupted: false });
    expectWhole(out);
  });

  test('and in what observes it', async () => {
    const out = freshFolder();
    const stop = new AbortController();
    const observe = async () => {
      stop.abort();
      stop.signal.throwIfAborted();
      return {};
    };
    expect(await train(await runOf(out, { observe, signal: stop.signal }))).toMatchObject({
      step: 3,
      interrupted: true,
    });
    await train(await runOf(out));
    expectWhole(out);
  });
});

test('a process that is killed in an evaluation loses no step, and the next one makes it', async () => {
  const [out, killed] = [freshFolder(), freshFolder()];
  const data = await watched('heldOut', (i) => {
    if (i === 20) cpSync(out, killed, { recursive: true }); // what a kill now would leave
  });
  await train(await runOf(out, { data }));
  expect(checkpointsOf(killed)).toEqual(['step-00000003']);
  expect(existsSync(join(killed, 'step-00000003', 'state.json'))).toBe(true);
  expect(logOf(killed, 'eval')).toEqual([]);
  await train(await runOf(killed));
  expectWhole(killed);
});

test('evaluations after every step do not make it save all the time', async () => {
  const { save } = Trainer.prototype;
  const slow = vi.spyOn(Trainer.prototype, 'save').mockImplementation(async function (this: Trainer, run) {
    await sleep(2000);
    return await save.call(this, run);
  });
  const often = { ...settings, evalEvery: 1, evalBatches: 1 };
  await train(await runOf(freshFolder(), { settings: often }));
  expect(slow).toHaveBeenCalledTimes(2); // the first step, before it is known how long that takes, and the last
});
