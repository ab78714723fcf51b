import { existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { whyUnwritable } from '../common/folder.js';
import { cacheDirectory } from '../common/user-cache.js';
import type { Cache, Finding } from './types.js';

/** Looks at the cache without making it. */
export function findCache(): Cache {
  const folder = cacheDirectory();
  const error = whyUnwritable(folder);
  const unwritable = error && { reason: error.message.split('\n')[0]!, remedy: error.remedy ?? '' };
  const free = freeBytes(folder);
  return {
    folder,
    ...(unwritable === undefined ? {} : { unwritable }),
    ...(free === undefined ? {} : { free_gb: Number((free / 1e9).toPrecision(3)) }),
  };
}

/** The line about it. A cache that is only read is a normal state: of an image that was built elsewhere. */
export function cacheFinding({ folder, unwritable, free_gb }: Cache): Finding {
  const label = 'cache';
  if (unwritable !== undefined) {
    const { reason, remedy } = unwritable;
    return { mark: 'absent', label, value: reason, remedy };
  }
  return { mark: 'ok', label, value: free_gb === undefined ? folder : `${folder}, ${free_gb} GB free` };
}

/** The room on the disk of a folder, or of where it would be made. */
function freeBytes(folder: string): number | undefined {
  let at = resolve(folder);
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  try {
    const { bavail, bsize } = statfsSync(at);
    return bavail * bsize;
  } catch {
    return undefined; // a system that does not tell
  }
}
