import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, vi } from 'vitest';
import { PolycomError } from '../../src/common/errors.js';

/** A folder for the file at hand. */
export const folder: string = mkdtempSync(join(tmpdir(), 'polycom-data-'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});
vi.stubEnv('POLYCOM_CACHE', join(folder, 'cache'));

let made = 0;

/** A path in the folder that nothing stands at yet. */
export function fresh(): string {
  return join(folder, `fresh-${made++}`);
}

/** Writes a file below the folder, with the folders above it; returns its path. */
export function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** What a call fails with: a `PolycomError` of this code whose text matches. */
export async function expectError(
  work: () => unknown,
  message: RegExp,
  code = 'INVALID_ARGUMENT',
): Promise<void> {
  const error = await Promise.resolve()
    .then(work)
    .then(
      () => 'nothing',
      (caught: unknown) => caught,
    );
  expect(error).toBeInstanceOf(PolycomError);
  expect((error as PolycomError).message).toMatch(message);
  expect((error as PolycomError).code).toBe(code);
}

/** All tokens of a source. */
export function readAll(source: { length: number; read(start: number, into: Int32Array): void }): Int32Array {
  const all = new Int32Array(source.length);
  source.read(0, all);
  return all;
}
