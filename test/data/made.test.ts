import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exportHuggingFace } from '../../src/checkpoint/huggingface.js';
import { byteTokenizer } from '../../src/data/bytes.js';
import { findInputs } from '../../src/data/inputs.js';
import { prepareShards } from '../../src/data/prepare.js';
import { parametersOf } from '../checkpoint/parameters.js';
import { NO_TENSORFLOW, polycom } from '../cli/harness.js';
import { configs } from '../generate/folders.js';
import { expectError, folder, fresh, write } from './harness.js';

const text = Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join('');

async function found(path: string): Promise<string[]> {
  return (await findInputs([path])).files.map((file) => file.path.slice(path.length + 1));
}

test('a run in the folder of its text, and other runs beside it, are no text', async () => {
  write('c03/notes/a.txt', text);
  const data = join(folder, 'c03');
  const train = (out: string, steps: number): ReturnType<typeof polycom> => {
    const sizes = ['--preset', 'tiny', '--set', 'context=16', '--set', 'layers=1', '--batch', '1'];
    const run = [
      '--backend',
      'cpu',
      '--eval-every',
      '0',
      '--save-every',
      '2',
      '--steps',
      String(steps),
      '--json',
    ];
    return polycom(['train', '--data', data, '--out', join(data, out), ...sizes, ...run], NO_TENSORFLOW);
  };
  for (const [out, steps, from] of [
    ['runs/a', 2, null],
    ['runs/a', 3, 2],
    ['b', 2, null],
    ['runs/a', 4, 3],
  ] as const) {
    const { status, stdout, stderr } = train(out, steps);
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    const { step, resumed_from } = JSON.parse(stdout) as { step: number; resumed_from?: number };
    expect(step).toBe(steps);
    expect(resumed_from ?? null).toBe(from);
  }
  expect(await found(data)).toEqual(['notes/a.txt']);
  expect((await findInputs([data])).ignored).toBe(0);
  const eaten = polycom(
    ['eval', '--model', join(data, 'b'), '--data', data, '--backend', 'cpu', '--json'],
    NO_TENSORFLOW,
  );
  expect(eaten.status).toBe(0);
  // Where a log lies in the very folder of the text, what lies beside it is text all the same.
  write('c03/notes/log.jsonl', readFileSync(join(data, 'b/log.jsonl')));
  expect(await found(join(data, 'notes'))).toEqual(['a.txt']);
  await expectError(() => findInputs([join(data, 'b')]), /nothing to read/);
  // Under its own name it is what was asked for.
  expect((await findInputs([join(data, 'b', 'log.jsonl')])).files).toHaveLength(1);
}, 300_000);

test('nor are models and token shards, with whatever lies in them', async () => {
  const data = fresh();
  const input = write('made/a.txt', text);
  mkdirSync(join(data, 'deep'), { recursive: true });
  const name = data.slice(folder.length + 1);
  write(`${name}/deep/b.md`, text);
  await prepareShards(input, join(data, 'deep/tokens'), { tokenizer: byteTokenizer });
  await exportHuggingFace(parametersOf(configs.llama), configs.llama, join(data, 'model'), {
    endOfText: 256,
  });
  for (const made of ['deep/tokens', 'model']) write(`${name}/${made}/merges.txt`, '#version: 0.2\n');
  write(`${name}/other/log.jsonl`, '{"text": "a log of another kind"}\n');
  write(`${name}/other/manifest.json`, '{"about": 1}');
  write(`${name}/config.json`, '{}');
  expect(await found(data)).toEqual(['deep/b.md', 'other/log.jsonl']);
  expect(readFileSync(join(data, 'deep/tokens/manifest.json'), 'utf8')).toMatch(/polycom tokens/);
});
