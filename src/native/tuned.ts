import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sayOnce } from '../common/notice.js';
import { cacheDirectory } from '../common/user-cache.js';
import type { NativeLibrary } from './library.js';
import { type Mapping, replaceMappings } from './mapping.js';

/** Where `npm run tune` leaves what it has measured, a file for each architecture. */
export const MAPPINGS_FOLDER = 'mappings';

/**
 * Puts the mappings that were measured on this machine before the library's table. What cannot be used is said once,
 * and left out: it is a matter of speed alone.
 *
 * @returns how many there were
 */
export function useTunedMappings(
  native: NativeLibrary,
  folder: string = cacheDirectory(MAPPINGS_FOLDER),
): number {
  // Newest architecture first: a line is for all that are not older.
  const files = namesIn(folder)
    .map((name) => ({ name, architecture: Number(/^sm_(\d+)\.json$/.exec(name)?.[1]) }))
    .filter(({ architecture }) => architecture > 0)
    .sort((a, b) => b.architecture - a.architecture);
  let used: Mapping[] = [];
  for (const { name } of files) {
    const file = join(folder, name);
    try {
      const { mappings } = JSON.parse(readFileSync(file, 'utf8')) as { mappings: Mapping[] };
      replaceMappings(native, [...used, ...mappings]);
      used = [...used, ...mappings];
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      sayOnce(`${file} is left out (npm run tune makes it anew): ${why}`);
      replaceMappings(native, used);
    }
  }
  return used.length;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
