import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, expect, test } from 'vitest';
import { type TrainRun, train } from '../../src/train/index.js';
import { Workshop } from '../cli/harness.js';
import { freshFolder, resultsOf, smallData, smallModel, smallSettings } from './harness.js';
import { Running, stepsOf, training } from './running.js';

const shop = new Workshop();
afterAll(() => rmSync(shop.folder, { recursive: true }));

test('one process trains in a folder: the second names it and ends; once the first is killed, it goes on', async () => {
  const out = shop.path('run');
  const command = training(out, '--save-every', '2');
  const first = new Running(command);
  await first.until(() => stepsOf(out) >= 4);
  const refused = new Running(command);
  expect(await refused.ended()).toEqual([1, null]);
  expect(refused.stderr).toMatch(
    new RegExp(
      `^polycom: process ${first.child.pid} on ${hostname()} trains in ${out} already\\n {2}remedy: `,
      'm',
    ),
  );
  expect(first.runs).toBe(true);
  first.child.kill('SIGKILL');
  const second = new Running(command);
  const before = stepsOf(out);
  await second.until(() => stepsOf(out) > before);
  second.child.kill('SIGTERM');
  expect(await second.ended(), second.stderr).toEqual([143, null]);
  expect(second.stderr).toMatch(/goes on from .*step-\d+/);
  const steps = resultsOf(out).map(({ step }) => step);
  expect(steps).toEqual(steps.map((_, i) => i + 1));
  expect(existsSync(join(out, 'train.lock'))).toBe(false);
});

test('in one process too; one on another machine counts; what fails leaves no folder', async () => {
  await tf.setBackend('cpu');
  const run: TrainRun = {
    config: smallModel('tiny'),
    data: await smallData(),
    out: join(freshFolder(), 'in', 'folders'),
    settings: smallSettings,
  };
  let inner: Promise<unknown> | undefined;
  const onStart = () => {
    inner = train(run).catch((error: unknown) => error);
  };
  const bad = { ...run, data: await smallData(4) };
  await expect(train(bad)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(existsSync(join(run.out, '..', '..'))).toBe(false);
  const observe = async () => {
    await inner;
    return {};
  };
  await train({ ...run, onStart, observe });
  expect(await inner).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(String(process.pid)),
  });

  const lock = join(run.out, 'train.lock');
  mkdirSync(lock);
  writeFileSync(join(lock, 'elsewhere,17,,x'), '');
  await expect(train(run)).rejects.toThrow(
    `process 17 on elsewhere trains in ${run.out} already\n  remedy: wait for it, end it, or train into another folder; if there is no such process, remove ${lock}`,
  );
});
