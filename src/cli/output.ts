import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError } from '../common/file-error.js';
import { makeFolder, whyUnwritable } from '../common/folder.js';
import { asideFolder } from '../common/store.js';

/**
 * Checks that a file can be written, before the work that it is to hold.
 *
 * @throws {PolycomError} `FILE_ERROR` where the system would refuse
 */
export function checkWritable(file: string): void {
  const error = whyUnwritable(dirname(file));
  if (error !== undefined) throw error;
  if (existsSync(file) && statSync(file).isDirectory()) throw fileError(file, 'write', { code: 'EISDIR' });
}

/**
 * Writes a file that the user asked for, and its folder. A kill leaves the old content or the whole new one, but for what
 * is no plain file, such as /dev/stdout.
 *
 * @throws {PolycomError} `FILE_ERROR` where the system refuses
 */
export function writeFile(file: string, text: string): void {
  makeFolder(dirname(file));
  try {
    const special = existsSync(file) && !statSync(file).isFile();
    const place = special ? file : asideFolder(dirname(file));
    writeFileSync(place, text);
    if (!special) renameSync(place, file);
  } catch (cause) {
    throw fileError(file, 'write', cause);
  }
}
