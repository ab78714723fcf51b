import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { uniform } from '../../src/common/random.js';
import { freshFolder, logOf, resultsOf } from './harness.js';

const KILLS = 50;
const STEPS = 100;

const folder = join(freshFolder(), '..');
const text = join(folder, 'text.txt');
writeFileSync(text, 'a line of text to train on, and on\n'.repeat(40));

/** A real training, compiled, on tfjs's JavaScript (a process that loads TensorFlow takes seconds more to start). */
function startTraining(out: string): ChildProcess {
  const sizes = ['width=8', 'layers=1', 'heads=1', 'kvHeads=1', 'headWidth=4', 'hidden=8', 'dropout=0.1'];
  const args = [
    join(packageFolder, 'dist', 'cli', 'main.js'),
    ...['train', '--data', text, '--out', out, '--backend', 'cpu', '--preset', 'tiny'],
    ...sizes.flatMap((size) => ['--set', size]),
    ...['--steps', String(STEPS), '--batch', '1', '--time', '8', '--save-every', '1', '--keep', '2'],
    ...['--eval-every', '20', '--eval-batches', '1'],
  ];
  const env = { ...process.env, POLYCOM_CACHE: join(folder, 'cache'), POLYCOM_QUIET: '1' };
  return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env });
}

async function endOf(child: ChildProcess): Promise<[number | null, string | null]> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  return [child.exitCode, child.signalCode];
}

const isSaving = (run: string) => readdirSync(run).some((name) => name.startsWith('.aside-'));

/** Waits for the moment to kill it: of five, one since it began, two after a step, two while it saves that step. */
async function momentOf(child: ChildProcess, kill: number, run: string, random: () => number): Promise<void> {
  if (kill % 5 === 0) return await sleep(random() * 600);
  const log = join(run, 'log.jsonl');
  const lines = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length : 1);
  const before = lines();
  const runs = () => child.exitCode === null;
  while (lines() < before + 2 && runs()) await sleep(1); // how it began, and a step
  if (kill % 5 < 3) return await sleep(random() * 40);
  while (!isSaving(run) && runs()) await setImmediate();
  const moment = performance.now() + random() * 4;
  while (performance.now() < moment) await setImmediate();
}

test(`a training that is killed ${KILLS} times goes on each time, and ends as one that never was`, async () => {
  const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
  const random = uniform(4);
  mkdirSync(killed);
  let halfway = 0;
  for (let kill = 0; kill < KILLS; ++kill) {
    const child = startTraining(killed);
    await momentOf(child, kill, killed, random);
    child.kill('SIGKILL');
    expect(await endOf(child), `kill ${kill}`).toEqual([null, 'SIGKILL']);
    if (isSaving(killed)) ++halfway;
  }
  expect(halfway, 'some of them while it saves').toBeGreaterThan(KILLS / 10);
  for (const run of [killed, whole]) expect(await endOf(startTraining(run))).toEqual([0, null]);
  expect(logOf(killed, 'start').length).toBeGreaterThan(KILLS / 4);
  expect(resultsOf(killed)).toEqual(resultsOf(whole));
  expect(resultsOf(killed).map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  expect(logOf(killed, 'eval')).toEqual(logOf(whole, 'eval'));
}, 600_000);
