import { createHash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { makeFolder } from '../common/folder.js';
import { asideFolder, isWriting } from '../common/store.js';
import { cacheDirectory } from '../common/user-cache.js';
import type { InputFile } from './inputs.js';

/** Folders of one text that stay beside the one in use, as an edit may be taken back. */
const KEPT = 2;
const HOUR_MS = 60 * 60 * 1000;
/** After which the mark of a process on another machine, which cannot be asked, counts for nothing. */
const MARK_MS = 30 * 24 * HOUR_MS;

/**
 * The cache's folder for the shards of a text, as it is now: an edited one has another, so that whoever reads the old one
 * goes on with it.
 *
 * @param about all that decides the shards beside what the files hold: paths and settings
 */
export function keptFolder(about: readonly unknown[], files: readonly InputFile[]): string {
  return cacheDirectory('tokens', `${digest(about)}-${digest(files)}`);
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

/**
 * Marks a folder of the cache as in use. A cache that cannot be written has no marks, and nothing is removed from it.
 *
 * @returns what takes the mark away
 */
export async function markInUse(folder: string): Promise<() => void> {
  const owner = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  const mark = join(dirname(folder), `.use-${basename(folder)}.${owner}`);
  try {
    makeFolder(dirname(folder));
    await writeFile(mark, '');
  } catch {
    return () => undefined;
  }
  return () => rmSync(mark, { force: true });
}

/**
 * Removes what the cache holds of earlier states of a text, but for the few that were used last, those in use, and any
 * that was used within the hour.
 *
 * @param folder the one of its state now
 */
export async function removeEarlier(folder: string): Promise<void> {
  const [parent, [key]] = [dirname(folder), basename(folder).split('-')];
  try {
    await utimes(folder, new Date(), new Date());
    const names = (await readdir(parent)).filter((name) => name === key || name.startsWith(`${key}-`));
    const others = names.filter((name) => name !== basename(folder)).map((name) => join(parent, name));
    const found = await Promise.all(others.map(async (path) => ({ path, time: (await stat(path)).mtimeMs })));
    const old = found.sort((a, b) => b.time - a.time).slice(KEPT);
    for (const { path, time } of old) {
      if (Date.now() - time < HOUR_MS || (await isInUse(path))) continue;
      const aside = asideFolder(parent);
      await rename(path, aside);
      await rm(aside, { recursive: true, force: true });
    }
  } catch {
    // The cache is tidied by whoever can, another time: what was asked for is there.
  }
}

/** Whether a process that may run still reads a folder; marks of those that do not are removed. */
async function isInUse(folder: string): Promise<boolean> {
  const start = `.use-${basename(folder)}.`;
  let used = false;
  for (const name of (await readdir(dirname(folder))).filter((name) => name.startsWith(start))) {
    const mark = join(dirname(folder), name);
    const age = Date.now() - (await stat(mark)).mtimeMs;
    const isHere = name.startsWith(`${start}${hostname()}-`);
    const lives = isHere ? isWriting(Number(name.split('-').at(-2)), age) : age < MARK_MS;
    if (lives) used = true;
    else await rm(mark, { force: true });
  }
  return used;
}
