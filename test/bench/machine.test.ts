import { hostname, userInfo } from 'node:os';
import { afterAll, expect, test } from 'vitest';
import { cacheBytes, currentCommit, describeMachine } from '../../src/bench/machine.js';
import { ROOT, removeFolders, runs, temporaryFolder } from '../tensorflow/link-harness.js';

afterAll(removeFolders);

test('a machine is described without what would name it', () => {
  const machine = describeMachine();
  expect(machine.cpus).toBeGreaterThan(0);
  expect(machine.memory_gb).toBeGreaterThan(0);
  expect(cacheBytes()).toBeGreaterThan(2 ** 18);
  const values = Object.values(machine).map(String);
  expect(values).not.toContain(hostname());
  expect(values).not.toContain(userInfo().username);
});

test('the commit is that of this checkout, and of no folder around or inside it', async () => {
  if (runs('git', '-C', ROOT, 'rev-parse', 'HEAD')) {
    expect(await currentCommit()).toMatch(/^[0-9a-f]{12}(-dirty)?$/);
  }
  expect(await currentCommit(temporaryFolder())).toBeUndefined();
  expect(await currentCommit(`${ROOT}src`)).toBeUndefined();
});
