import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { environmentOf, testDevice } from './device/build.js';
import { removeFolders, temporaryFolder } from './link-harness.js';

const STEPS = 10;

const device = await testDevice();
const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});
afterAll(removeFolders);

/** A training of the small transformer in TensorFlow. */
function startTraining(out: string, env: NodeJS.ProcessEnv): ChildProcess {
  const sizes = ['width=16', 'layers=2', 'heads=2', 'kvHeads=1', 'headWidth=8', 'hidden=24', 'dropout=0.1'];
  const args = [
    join(packageFolder, 'dist', 'cli', 'main.js'),
    ...[
      'train',
      '--data',
      'synthetic',
      '--out',
      out,
      '--backend',
      'tensorflow',
      '--preset',
      'tiny',
      '--quiet',
    ],
    ...sizes.flatMap((size) => ['--set', size]),
    ...['--steps', String(STEPS), '--batch', '2', '--time', '16', '--save-every', '2', '--eval-every', '0'],
    ...['--lr', '0.01', '--warmup', '1'],
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
  });
  started.push(child);
  return child;
}

const logOf = (run: string): Record<string, unknown>[] => {
  const path = join(run, 'log.jsonl');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'step');
};
const resultsOf = (run: string) => logOf(run).map(({ seconds: _, tok_per_s: __, ...results }) => results);

describe.skipIf(device === undefined)('a training on a GPU in TensorFlow', { timeout: 300_000 }, () => {
  const onGpu = device && environmentOf(device);
  const folder = temporaryFolder();
  const [whole, host, killed] = ['whole', 'host', 'killed'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];

  test('follows the one on the CPU', async () => {
    for (const [run, env] of [
      [whole, onGpu],
      [host, { POLYCOM_LIBRARY: device!.library }],
    ] as const)
      expect(await once(startTraining(run, env!), 'close')).toEqual([0, null]);
    const [got, wanted] = [logOf(whole), logOf(host)];
    expect(got.map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
    for (const [i, { loss }] of wanted.entries())
      expect(Math.abs(Number(got[i]!.loss) / Number(loss) - 1), `loss ${i + 1}`).toBeLessThan(1e-5);
  });

  test('that is killed goes on where it was', async () => {
    const child = startTraining(killed, onGpu!);
    while (logOf(killed).length < STEPS / 2 && child.exitCode === null) await sleep(5);
    child.kill('SIGKILL');
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
    expect(logOf(killed).length).toBeLessThan(STEPS);
    expect(await once(startTraining(killed, onGpu!), 'close')).toEqual([0, null]);
    expect(resultsOf(killed)).toEqual(resultsOf(whole));
    for (const file of ['model.safetensors', 'optimizer.safetensors']) {
      const bytes = (run: string) => readFileSync(join(run, `step-000000${STEPS}`, file));
      expect(bytes(killed).equals(bytes(whole)), file).toBe(true);
    }
  });
});
