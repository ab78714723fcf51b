import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RunLog } from '../../src/train/log.js';
import { freshFolder } from './harness.js';

async function writeSteps(path: string, after: number, steps: readonly number[]): Promise<void> {
  const log = await RunLog.open(path, after);
  for (const step of steps) log.write({ kind: 'step', step, text: 'é' });
  log.sync();
  log.close();
}

const stepsOf = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).step);

test('a log goes on after a step, without what it had said of later ones', async () => {
  const path = join(freshFolder(), 'log.jsonl');
  await writeSteps(path, 0, [1, 2, 3, 4]);
  await writeSteps(path, 2, [3, 4, 5]);
  expect(stepsOf(path)).toEqual([1, 2, 3, 4, 5]);
  await writeSteps(path, 9, []);
  expect(stepsOf(path)).toEqual([1, 2, 3, 4, 5]);
  await writeSteps(path, 0, []);
  expect(readFileSync(path, 'utf8')).toBe('');
});

test('a last line that was not written to its end is dropped, and lines of others stay', async () => {
  const path = join(freshFolder(), 'log.jsonl');
  await writeSteps(path, 0, [1, 2]);
  appendFileSync(path, '# a note\n{"kind":"step","st');
  await writeSteps(path, 2, [3]);
  const lines = [1, 2].map((step) => `{"kind":"step","step":${step},"text":"é"}\n`).join('');
  const expected = `${lines}# a note\n{"kind":"step","step":3,"text":"é"}\n`;
  expect(readFileSync(path, 'utf8')).toBe(expected);
});

test('a log that is longer than what is read at once', async () => {
  const path = join(freshFolder(), 'log.jsonl');
  mkdirSync(join(path, '..'));
  const count = 60_000;
  const lines = Array.from(
    { length: count },
    (_, i) => `{"kind":"step","step":${i + 1},"loss":0.1234567891}`,
  );
  writeFileSync(path, `${lines.join('\n')}\n`);
  await writeSteps(path, count - 1, []);
  expect(readFileSync(path, 'utf8')).toBe(`${lines.slice(0, -1).join('\n')}\n`);
});

test('a log that cannot be written is a typed error', async () => {
  const folder = freshFolder();
  writeFileSync(folder, 'a file');
  await expect(RunLog.open(join(folder, 'log.jsonl'), 0)).rejects.toMatchObject({ code: 'FILE_ERROR' });
});
