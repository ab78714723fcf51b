import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { PolycomError } from '../../src/common/errors.js';
import { makeFolder, whyUnwritable } from '../../src/common/folder.js';
import { readOnlyFolder } from '../read-only.js';

const folder = mkdtempSync(join(tmpdir(), 'polycom-folder-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (...parts: string[]): string => join(folder, ...parts);
writeFileSync(at('file'), '');
symlinkSync(at('nowhere'), at('link'));

function errorOf(path: string): PolycomError {
  try {
    makeFolder(path);
  } catch (error) {
    expect(error).toBeInstanceOf(PolycomError);
    return error as PolycomError;
  }
  throw new Error(`${path} could be made`);
}

test('a folder is made with those that it lies in, once', () => {
  makeFolder(at('a', 'b', 'c'));
  makeFolder(at('a', 'b', 'c'));
  expect(statSync(at('a', 'b', 'c')).isDirectory()).toBe(true);
});

describe.each([
  ['a file', ['file'], 'file is a file'],
  ['something in a file', ['file', 'x', 'y'], 'file is a file'],
  ['something below a dangling link', ['link', 'x', 'y'], 'link is a link that leads nowhere'],
])('%s', (_, parts, reason) => {
  test('cannot be made, for the real reason', () => {
    const error = errorOf(at(...parts));
    expect(error).toMatchObject({ code: 'FILE_ERROR', path: at(...parts) });
    expect(error.message).toContain(reason);
    expect(error.remedy).toMatch(/name another place$/);
  });

  test('is known to be unwritable before', () => {
    expect(whyUnwritable(at(...parts))?.message).toContain(reason);
    expect(existsSync(at('nowhere'))).toBe(false);
  });
});

test('a folder below /proc is refused, and does not hang', ({ skip }) => {
  if (!existsSync('/proc/self')) skip('there is no /proc');
  expect(errorOf('/proc/none/deeper').message).toContain('the system makes no folders in /proc');
});

test('a read-only file system is called that', ({ skip }) => {
  const place = readOnlyFolder(skip);
  try {
    const error = errorOf(join(place.folder, 'x', 'y'));
    expect(error.message).toContain(`the file system is read-only: ${place.folder}`);
    expect(error.remedy).toBe('mount it for writing, or name another place');
    expect(whyUnwritable(join(place.folder, 'x'))?.message).toContain('the file system is read-only');
  } finally {
    place.release();
  }
});

test('a folder without permission is called that', ({ skip }) => {
  if (process.getuid?.() === 0) skip('root may write anywhere');
  makeFolder(at('closed'));
  chmodSync(at('closed'), 0o555);
  expect(errorOf(at('closed', 'x', 'y')).message).toContain(`permission denied: ${at('closed')}`);
  expect(whyUnwritable(at('closed', 'x'))?.message).toContain('permission denied');
});

test('a folder that could be made is writable, and is not made', () => {
  expect(whyUnwritable(at('new', 'er'))).toBeUndefined();
  expect(existsSync(at('new'))).toBe(false);
});
