import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { idOf } from '../plan/specs.js';
import { runGrid } from '../run/grid.js';
import { RunStore } from '../run/store.js';
import type { RunResult, RunSpec } from '../types.js';
import { emptyFolder, fromSources, logOf, lossesOf, ROOT, tinySpec } from './runs.js';

const specs = (['polynorm', 'swiglu', 'relu'] as const).flatMap((name) =>
  [1, 2].map((seed) => tinySpec(name, seed)),
);

test('the same specs have the same losses, bit for bit, in one worker and in two', async () => {
  const [one, two] = [emptyFolder(), emptyFolder()];
  const results: ReadonlyMap<string, RunResult>[] = [];
  for (const [folder, workers] of [
    [one, 1],
    [two, 2],
  ] as const) {
    const grid = await runGrid(specs, { store: new RunStore(folder), workers, threads: 1 });
    expect(grid.failures).toEqual([]);
    expect(grid).toMatchObject({ interrupted: false });
    expect([...grid.started].sort()).toEqual(specs.map(idOf).sort());
    results.push(grid.results);
  }
  for (const spec of specs) {
    expect(lossesOf(two, spec)).toEqual(lossesOf(one, spec));
    const [a, b] = results.map((found) => found.get(idOf(spec))!);
    expect(b!.digest).toBe(a!.digest);
    expect(b!.final).toEqual(a!.final);
    expect(a!.heldOut.step).toEqual([4, 8, 12]);
    expect(a!.heldOut.tokens).toEqual([128, 256, 384]);
    expect(a!.train.step).toHaveLength(12);
  }
  const digests = specs.map((spec) => results[0]!.get(idOf(spec))!.digest);
  expect(new Set(digests).size).toBe(specs.length);
}, 180_000);

/** A process that carries out the specs of a file, one after the other. */
function startGrid(store: string, list: readonly RunSpec[]) {
  const file = join(store, 'specs.json');
  writeFileSync(file, JSON.stringify(list));
  const at = (path: string): string => JSON.stringify(join(ROOT, path));
  const code = `
    import { readFileSync } from 'node:fs';
    import { runGrid } from ${at('bench/paper/run/grid.ts')};
    import { RunStore } from ${at('bench/paper/run/store.ts')};
    const specs = JSON.parse(readFileSync(${JSON.stringify(file)}, 'utf8'));
    const stop = new AbortController();
    for (const name of ['SIGTERM', 'SIGHUP', 'SIGUSR1']) process.on(name, () => stop.abort());
    const grid = await runGrid(specs, {
      store: new RunStore(${JSON.stringify(store)}), workers: 1, threads: 1, signal: stop.signal,
    });
    console.log(JSON.stringify({ started: grid.started, interrupted: grid.interrupted, failures: grid.failures }));
  `;
  const script = join(store, 'grid.mts');
  writeFileSync(script, code);
  const args = [...fromSources, script];
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: [...stdio], detached: true });
  let stdout = '';
  child.stdout.on('data', (text: Buffer) => {
    stdout += text;
  });
  return { child, ended: once(child, 'close').then(() => stdout) };
}

test('a grid that is stopped, then killed, goes on, repeats nothing that is finished, and has the same losses', async () => {
  const [long, short] = [tinySpec('polynorm', 1, 600), tinySpec('relu', 1, 12)];
  const [store, whole] = [emptyFolder(), emptyFolder()];
  const runs = new RunStore(store);
  await runGrid([short], { store: runs, workers: 1, threads: 1 });
  const finished = join(runs.folderOf(idOf(short)), 'result.json');
  const before = statSync(finished).mtimeMs;

  const log = join(runs.trainingOf(idOf(long)), 'log.jsonl');
  const steps = () => (existsSync(log) ? readFileSync(log, 'utf8').split('"kind":"step"').length - 1 : 0);
  const startAndSignal = async (kill: (pid: number) => void, atStep: number): Promise<string> => {
    const { child, ended } = startGrid(store, [short, long]);
    while (steps() < atStep && child.exitCode === null) await sleep(5);
    kill(child.pid!);
    return await ended;
  };
  // A terminal and a scheduler send theirs to the workers too.
  const stopAll = (pid: number): void => {
    for (const name of ['SIGUSR1', 'SIGHUP', 'SIGTERM'] as const) process.kill(-pid, name);
  };
  const stopped = JSON.parse(await startAndSignal(stopAll, 60));
  expect(stopped).toEqual({ started: [idOf(long)], interrupted: true, failures: [] });
  expect(await startAndSignal((pid) => process.kill(pid, 'SIGKILL'), 300)).toBe('');
  expect(runs.result(long)).toBeUndefined();
  const last = JSON.parse(await startGrid(store, [short, long]).ended);
  expect(last).toEqual({ started: [idOf(long)], interrupted: false, failures: [] });

  expect(statSync(finished).mtimeMs).toBe(before);
  expect(logOf(store, short, 'start')).toHaveLength(1);
  const starts = logOf(store, long, 'start').map(({ step }) => step as number);
  expect(starts).toHaveLength(3);
  expect(starts[1], 'it went on where it was stopped').toBeGreaterThanOrEqual(60);
  expect(starts[2], 'it went on from the last checkpoint').toBeGreaterThanOrEqual(225);

  await runGrid([long], { store: new RunStore(whole), workers: 1, threads: 1 });
  expect(lossesOf(store, long)).toEqual(lossesOf(whole, long));
  expect(runs.result(long)!.digest).toBe(new RunStore(whole).result(long)!.digest);
  expect((await runGrid([short, long], { store: runs, workers: 1, threads: 1 })).started).toEqual([]);
}, 180_000);

test('a run that diverges has a result that says so; one that fails leaves the others alone', async () => {
  const good = tinySpec('relu', 3);
  const wild = { ...good, settings: { ...good.settings, learningRate: 1e30 } };
  const bad = { ...good, probes: ['nothing'] };
  const store = new RunStore(emptyFolder());
  const { results, failures } = await runGrid([good, wild, bad], { store, workers: 1, threads: 1 });
  expect(failures).toMatchObject([{ id: idOf(bad), reason: expect.stringContaining("no probe 'nothing'") }]);
  expect(results.get(idOf(good))!.diverged).toBeUndefined();
  const { diverged, final } = results.get(idOf(wild))!;
  expect(final).toBeUndefined();
  expect(diverged!.message).toMatch(/^step \d+: /);
  expect((await runGrid([wild], { store, workers: 1 })).started).toEqual([]);
}, 180_000);
