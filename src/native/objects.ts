import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { typed } from '../common/file-error.js';
import { makeFolder } from '../common/folder.js';
import { holdingLock } from '../common/lock.js';
import { packageFolder } from '../common/package.js';
import type { Recipe } from './recipe.js';

const PREFIX = 'objects-';
const DAY_MS = 24 * 60 * 60 * 1000;
/** What CMake must make anew for other settings. The products stay until they are linked again. */
const CONFIGURED: readonly string[] = ['CMakeCache.txt', 'CMakeFiles', 'build.ninja', 'Makefile'];

/**
 * Lends `work` a folder for the objects of a recipe, which is kept until `work` has succeeded: a build that is broken
 * off goes on there. Builds of one recipe wait for each other; the name says the host, whose processes a lock knows.
 */
export function withObjects<T>(
  parent: string,
  recipe: Recipe,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  makeFolder(parent);
  // CMake's files name the sources' folder.
  const key = createHash('sha256')
    .update(JSON.stringify([packageFolder, recipe]))
    .digest('hex');
  const folder = join(parent, `${PREFIX}${hostname()}-${key.slice(0, 16)}`);
  const alone = async (): Promise<T> => {
    makeFolder(folder);
    await utimes(folder, new Date(), new Date());
    await removeOld(parent);
    const made = await work(folder);
    await rm(folder, { recursive: true, force: true });
    return made;
  };
  return typed(folder, 'write', () => holdingLock(`${folder}.lock`, alone));
}

/** Whether CMake has been configured in a folder to its end. */
export function isConfigured(folder: string): boolean {
  const has = (name: string): boolean => existsSync(join(folder, name));
  return has('CMakeCache.txt') && (has('build.ninja') || has('Makefile'));
}

/** Takes the objects and CMake's own files from a folder, so that it is configured and compiled anew. */
export async function clearObjects(folder: string): Promise<void> {
  for (const name of CONFIGURED) await rm(join(folder, name), { recursive: true, force: true });
}

/** Removes the objects of builds that nobody has gone on with for a day. */
async function removeOld(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(parent, name);
    const { mtimeMs } = (await stat(path).catch(() => undefined)) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > DAY_MS) await rm(path, { recursive: true, force: true });
  }
}
