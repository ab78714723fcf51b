import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { holdingLock } from '../../src/native/lock.js';

const folder = mkdtempSync(join(tmpdir(), 'polycom-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'lock');

test('a lock lets one in at a time, and is gone after', async () => {
  let inside = 0;
  const work = async (): Promise<number> => {
    expect(++inside).toBe(1);
    await sleep(20);
    return inside--;
  };
  expect(await Promise.all([1, 2, 3].map(() => holdingLock(path, work)))).toEqual([1, 1, 1]);
  await expect(holdingLock(path, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(existsSync(path)).toBe(false);
});

test('a lock is taken over from a process that has died', async () => {
  writeFileSync(path, String(spawnSync(process.execPath, ['--version']).pid));
  expect(await holdingLock(path, () => Promise.resolve('in'))).toBe('in');
});
