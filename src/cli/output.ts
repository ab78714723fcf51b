import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { PolycomError } from '../errors.js';

/**
 * Writes a file that the user asked for, and its folder.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where that cannot be
 */
export function writeFile(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } catch (cause) {
    throw new PolycomError('INVALID_ARGUMENT', `${file} cannot be written`, { cause });
  }
}
