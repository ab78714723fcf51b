import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NO_TENSORFLOW, refusalOf } from '../../../test/cli/harness.js';
import { writeText } from '../files.js';
import { paper } from './command.js';
import { emptyFolder } from './runs.js';

const folder = emptyFolder();
const file = join(folder, 'plain');
const text = join(folder, 'text.txt');
await writeText(file, 'no folder');
await writeText(text, 'The quick brown fox jumps over the lazy dog.\n'.repeat(200));

test('a cache below a file is an error', () => {
  const cache = { POLYCOM_CACHE: join(file, 'cache'), POLYCOM_TENSORFLOW: '' };
  const args = ['--quick', '--data', text, '--out', join(folder, 'b')];
  const said = refusalOf(paper(args, { ...cache, ...NO_TENSORFLOW }));
  expect(said).toContain(`polycom: cannot write ${cache.POLYCOM_CACHE}`);
  expect(said).toMatch(/remedy: .* POLYCOM_CACHE$/m);
});

test('an --out below a file is named', () => {
  const said = refusalOf(paper(['--quick', '--only', 'cost', '--out', join(file, 'x')], NO_TENSORFLOW));
  expect(said).toMatch(/cannot (write|read) .*plain.*\n.*: --out$/m);
});

test('the help has no prose beyond 80 columns', () => {
  const { stdout, status } = paper(['--help']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Usage: npm run paper -- \[options\]$/m);
  const prose = stdout.split('\n').filter((line) => /^\S/.test(line));
  expect(prose.length).toBeGreaterThan(5);
  expect(prose.filter((line) => line.length > 80)).toEqual([]);
});

test('a number of workers that is none is refused', () => {
  for (const workers of ['0', '1.5', '', 'two']) {
    const { status, stderr } = paper(['--plan', '--workers', workers], NO_TENSORFLOW);
    expect(status).toBe(1);
    expect(stderr).toContain('expected a whole number from 1 on.');
  }
});
