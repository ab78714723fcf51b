import { existsSync, rmdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { invalidArgument } from '../common/errors.js';
import { makeFolder } from '../common/folder.js';
import { holderName, holderRemedy, takeLock } from '../common/lock.js';

/** Stands in a run's folder while a process trains there. `.lock` files are nobody's to commit. */
export const LOCK = 'train.lock';

/**
 * Keeps other processes out of a run's folder while `work` runs: two of them would write one log, and over each other's
 * checkpoints.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` that names the process which trains there; `FILE_ERROR` where the system
 *   refuses
 */
export async function alone<T>(out: string, work: () => Promise<T>): Promise<T> {
  const path = join(out, LOCK);
  const missing = outermostMissing(out);
  makeFolder(out);
  const taken = await takeLock(path);
  if (typeof taken !== 'function') {
    throw invalidArgument(`${holderName(taken)} trains in ${out} already`, {
      remedy: `wait for it, end it, or train into another folder; ${holderRemedy(taken, path)}`,
    });
  }
  try {
    return await work();
  } finally {
    taken();
    if (missing !== undefined) removeEmpty(resolve(out), missing);
  }
}

/** The outermost folder of a path that is yet to be made; nothing where all are there. */
function outermostMissing(folder: string): string | undefined {
  let missing: string | undefined;
  for (let at = resolve(folder); !existsSync(at); at = dirname(at)) missing = at;
  return missing;
}

/** Removes folders that nothing came into, from the innermost to the outermost. */
function removeEmpty(from: string, to: string): void {
  try {
    rmdirSync(from);
  } catch {
    return; // something did
  }
  if (from !== to) removeEmpty(dirname(from), to);
}
