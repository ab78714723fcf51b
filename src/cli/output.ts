import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError } from '../file-error.js';
import { makeFolder } from '../folder.js';

/**
 * Writes a file that the user asked for, and its folder.
 *
 * @throws {PolycomError} `FILE_ERROR` where the system refuses
 */
export function writeFile(file: string, text: string): void {
  makeFolder(dirname(file));
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw fileError(file, 'write', cause);
  }
}
