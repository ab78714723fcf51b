import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { compilerCommand } from '../../src/native/tools.js';
import { native } from './harness.js';

const [compiler, ...words] = compilerCommand();
const able =
  native !== undefined &&
  process.platform === 'linux' &&
  spawnSync(compiler, [...words, '--version']).status === 0;
if (!able) console.warn('skipped: the tests of the thread pool: they need the library, Linux and a compiler');

describe.skipIf(!able)('the thread pool', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polycom-pool-'));
  const program = join(folder, 'pool');
  beforeAll(() => {
    const path = native!.path;
    const sources = ['pool/main.cpp', 'fuzz/process.cpp'].map((name) =>
      join(packageFolder, 'test/native', name),
    );
    const flags = [
      '-std=c++17',
      '-O1',
      '-Wall',
      '-Wextra',
      '-pthread',
      `-I${join(packageFolder, 'native/include')}`,
    ];
    execFileSync(compiler, [
      ...words,
      ...flags,
      '-o',
      program,
      ...sources,
      path,
      `-Wl,-rpath,${dirname(path)}`,
    ]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['fork', 'works in the children of a process that has used it'],
    ['starved', 'is no need: where no thread can be started, the caller works alone'],
  ])('%s: %s', (mode) => {
    const { status, stderr } = spawnSync(program, [mode], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  });
});
