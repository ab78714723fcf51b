import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Checkpoint, latest, loadCheckpoint, saveCheckpoint } from '../../src/checkpoint/folder.js';
import { PolycomError } from '../../src/common/errors.js';
import { temporaryFolder } from './folders.js';

let run: string;
const said = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
beforeEach(() => {
  run = join(temporaryFolder(), 'run');
});
afterEach(() => {
  said.mockClear();
});

function checkpointOf(value: number): Checkpoint {
  const data = new Float32Array(6).fill(value);
  return {
    model: new Map([['w', { shape: [2, 3], data }]]),
    optimizer: new Map([
      ['w.m', { shape: [2, 3], data }],
      ['count', { shape: [], data: Float32Array.of(value) }],
    ]),
    state: { value, data: { epoch: 1, window: value } },
    config: { model_type: 'llama' },
  };
}

async function saveSteps(...steps: readonly number[]): Promise<void> {
  for (const step of steps) await saveCheckpoint(run, step, checkpointOf(step));
}

function folderOf(step: number): string {
  return join(run, `step-${String(step).padStart(8, '0')}`);
}

test('gives back what was saved, from the run or the step', async () => {
  expect(await saveCheckpoint(run, 100, checkpointOf(0.1))).toBe(folderOf(100));
  expect(readdirSync(folderOf(100)).sort()).toEqual([
    'config.json',
    'model.safetensors',
    'optimizer.safetensors',
    'state.json',
  ]);
  const wanted = { step: 100, folder: folderOf(100), ...checkpointOf(0.1) };
  expect(await loadCheckpoint(run)).toEqual(wanted);
  expect(await loadCheckpoint(`${folderOf(100)}/`)).toEqual({ ...wanted, folder: `${folderOf(100)}/` });
  expect(await loadCheckpoint(run, { optimizer: false })).toEqual({ ...wanted, optimizer: new Map() });
});

test('keeps the last, and never removes later ones or what it does not know', async () => {
  await saveSteps(1, 2, 3, 4, 5);
  writeFileSync(join(run, 'log.jsonl'), '{}\n');
  expect(readdirSync(run)).toEqual(['log.jsonl', ...[3, 4, 5].map((step) => basename(folderOf(step)))]);
  await saveCheckpoint(run, 6, checkpointOf(6), { keep: 1 });
  expect(readdirSync(run)).toEqual(['log.jsonl', basename(folderOf(6))]);
  await saveCheckpoint(run, 4, checkpointOf(4), { keep: 1 });
  expect(readdirSync(run)).toEqual(['log.jsonl', ...[4, 6].map((step) => basename(folderOf(step)))]);
  expect(await latest(run)).toBe(folderOf(6));
});

test('orders steps by number, whatever their digits', async () => {
  await saveSteps(99_999_999, 100_000_000);
  expect(await latest(run)).toBe(folderOf(100_000_000));
});

test('replaces a checkpoint of the same step', async () => {
  await saveCheckpoint(run, 7, checkpointOf(1), { keep: 1 });
  await saveCheckpoint(run, 7, checkpointOf(2), { keep: 1 });
  expect((await loadCheckpoint(run)).state).toEqual(checkpointOf(2).state);
  expect(readdirSync(run)).toEqual([basename(folderOf(7))]);
});

test('puts back what a killed process was about to replace', async () => {
  await saveSteps(7);
  renameSync(folderOf(7), `${folderOf(7)}.replaced`);
  expect(await latest(run)).toBe(folderOf(7));
  expect((await loadCheckpoint(run)).step).toBe(7);
  mkdirSync(`${folderOf(7)}.replaced`);
  expect(await latest(run)).toBe(folderOf(7));
  expect(readdirSync(run)).toEqual([basename(folderOf(7))]);
});

test('removes what killed processes left half-written, and nothing of the living', async () => {
  await saveSteps(1);
  const asideOf = (pid: number) => join(run, `.aside-${hostname()}-${pid}-0123abcd`);
  const [dead, alive, before] = [asideOf(2 ** 22 + 1), asideOf(process.ppid), asideOf(process.pid)] as const;
  for (const folder of [dead, alive, before]) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'model.safetensors'), 'half');
  }
  // This process's own number, of a process before it: a container gives the same one each time.
  utimesSync(before, new Date(Date.now() - 3_600_000), new Date(Date.now() - 3_600_000));
  expect(await latest(run)).toBe(folderOf(1));
  expect([dead, alive, before].map((folder) => existsSync(folder))).toEqual([false, true, false]);
});

test('a run that is absent or empty has no checkpoint', async () => {
  expect(await latest(run)).toBeUndefined();
  await expect(loadCheckpoint(run)).rejects.toThrow(
    /there is no checkpoint in .*run\n {2}remedy: name the folder/,
  );
  mkdirSync(run);
  expect(await latest(run)).toBeUndefined();
  await expect(loadCheckpoint(run)).rejects.toThrow(/there is no checkpoint in/);
});

const damages: readonly [problem: RegExp, damage: (folder: string) => void][] = [
  [
    /model.safetensors: it has \d+ bytes; \d+ were written/,
    (folder) => truncateSync(join(folder, 'model.safetensors'), 50),
  ],
  [/optimizer.safetensors: it is missing/, (folder) => rmSync(join(folder, 'optimizer.safetensors'))],
  [/state.json: it is missing/, (folder) => rmSync(join(folder, 'state.json'))],
  [/state.json: it is not JSON/, (folder) => writeFileSync(join(folder, 'state.json'), '{"schema": 1,')],
  [
    /state.json: its schema is 2; expected 1/,
    (folder) => writeFileSync(join(folder, 'state.json'), '{"schema": 2}'),
  ],
  [/state.json: its schema is undefined/, (folder) => writeFileSync(join(folder, 'state.json'), 'null')],
  [
    /state.json: it is not the state of the checkpoint/,
    (folder) => writeFileSync(join(folder, 'state.json'), '{"schema": 1, "step": 2}'),
  ],
  [/config.json: its content is not what was written/, (folder) => flipBit(join(folder, 'config.json'))],
  [
    /model.safetensors: its content is not what was written \(CRC-32\)/,
    (folder) => flipBit(join(folder, 'model.safetensors')),
  ],
];

function flipBit(path: string): void {
  const content = readFileSync(path);
  content[content.length - 3]! ^= 4;
  writeFileSync(path, content);
}

test.each(damages)('names the damage, and takes the checkpoint before: %s', async (problem, damage) => {
  await saveSteps(1, 2);
  damage(folderOf(2));
  expect(await latest(run)).toBe(folderOf(2));
  const loaded = await loadCheckpoint(run);
  expect([loaded.step, loaded.state]).toEqual([1, checkpointOf(1).state]);
  await loadCheckpoint(run);
  const lines = said.mock.calls.map(([line]) => String(line));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(`${folderOf(2)} is damaged, the checkpoint before it is used: `);
  expect(lines[0]).toMatch(problem);
  await expect(loadCheckpoint(folderOf(2))).rejects.toThrow(problem);
  damage(folderOf(1));
  const error: unknown = await loadCheckpoint(run).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PolycomError);
  const { code, message } = error as PolycomError;
  expect([code, message.includes(folderOf(1)), message.includes(folderOf(2))]).toEqual([
    'INVALID_FILE',
    true,
    true,
  ]);
});

test('a checkpoint that cannot be written leaves those that there were', async () => {
  await saveSteps(1);
  const wrong = {
    ...checkpointOf(2),
    optimizer: new Map([['m', { shape: [9], data: new Float32Array(8) }]]),
  };
  await expect(saveCheckpoint(run, 2, wrong)).rejects.toThrow(/tensor m has 32 bytes; expected 36/);
  expect(readdirSync(run)).toEqual([basename(folderOf(1))]);
  writeFileSync(join(run, 'file'), '');
  await expect(saveCheckpoint(join(run, 'file'), 1, checkpointOf(1))).rejects.toThrow(/cannot write .*file/);
  await expect(saveCheckpoint(run, -1, checkpointOf(1))).rejects.toThrow(/step is -1/);
  await expect(saveCheckpoint(run, 1, checkpointOf(1), { keep: 0 })).rejects.toThrow(/keep is 0/);
});
