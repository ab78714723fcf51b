import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { registerBench } from '../../src/cli/bench.js';
import { removeFolders, temporaryFolder } from '../tensorflow/link-harness.js';
import { documentOf, failedRow, row } from './rows.js';

const results = vi.hoisted(() => ({ rows: [] as unknown[] }));
vi.mock('../../src/bench/run.js', () => ({
  benchActivations: async () => documentOf(results.rows as ReturnType<typeof row>[]),
}));

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});
afterAll(removeFolders);

async function run(...args: string[]): Promise<string> {
  const written: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  const program = new Command();
  registerBench(program);
  await program.parseAsync(['bench', 'activations', '--quiet', ...args], { from: 'user' });
  return written.join('');
}

test('a wrong result makes the exit status 1, after all has been written', async () => {
  results.rows = [row(), failedRow({ op: 'wrong' })];
  const folder = temporaryFolder();
  const [json, report] = [join(folder, 'a.json'), join(folder, 'a.html')];
  const stdout = await run('--json', json, '--report', report);
  expect(process.exitCode).toBe(1);
  expect(stdout).toContain('FAILED: y is off by');
  expect(readFileSync(json, 'utf8')).toContain('"ok": false');
  expect(readFileSync(report, 'utf8')).toContain('FAILED: y is off by');
});

test('right results leave it alone', async () => {
  results.rows = [row()];
  const stdout = await run();
  expect(process.exitCode).toBeUndefined();
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toEqual(documentOf([row()]));
});

test('a file that cannot be written is a typed error', async () => {
  results.rows = [row()];
  await expect(run('--json', '/dev/null/a.json')).rejects.toThrow(
    'cannot write /dev/null: /dev/null is a file',
  );
});
