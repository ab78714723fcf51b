import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openShards } from '../../src/data/shards.js';
import { NO_TENSORFLOW, polycom } from '../cli/harness.js';
import { fresh, write } from './harness.js';

const text = Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join('');

test('prepare makes the folder, says what is in it, and keeps it the second time', () => {
  const [input, out] = [write('cli.txt', text), fresh()];
  const first = polycom(
    ['prepare', input, '--out', out, '--held-out', '0.1', '--shard-tokens', '1000'],
    NO_TENSORFLOW,
  );
  expect(first).toMatchObject({ status: 0, stderr: '' });
  expect(first.stdout).toMatch(
    /^\S+: 3,9\d\d tokens to train with, 4\d\d held out, in 5 files\n1 documents, tokenizer bytes of 257 tokens\n$/,
  );
  const before = readFileSync(join(out, 'manifest.json'), 'utf8');
  const again = polycom(['prepare', input, '--out', out, '--held-out', '0.1', '--json']);
  expect(JSON.parse(again.stdout)).toEqual(JSON.parse(before));
  expect(openShards(out, 'train').length).toBeGreaterThan(3900);
  expect(readdirSync(out)).toHaveLength(8);
});

test.each([
  [['missing.txt', '--out', 'x'], /^polycom: missing\.txt is not there/],
  [
    [write('fields.jsonl', '{"body":"a"}'), '--out', fresh()],
    /fields\.jsonl:1: no text 'text'.*\n.*--field <name>/,
  ],
  [[write('any.txt', text), '--out', fresh(), '--tokenizer', 'none'], /tokenizer 'none' cannot be read/],
  [['any.txt', '--out', 'x', '--held-out', '1'], /expected a number from 0 to below 1/],
  [['any.txt', '--out', 'x', '--shard-tokens', 'all'], /expected a whole number/],
  [['any.txt'], /required option '--out <folder>'/],
  [['--out', 'x'], /missing required argument 'inputs'/],
])('prepare %j fails with the reason', (args, message) => {
  const { status, stderr, stdout } = polycom(['prepare', ...args]);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(stdout).toBe('');
});
