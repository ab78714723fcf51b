import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { typed } from './file-error.js';
import { readWhole } from './files.js';
import { makeFolder } from './folder.js';

/** What one file of a stored folder must be. */
export interface StoredFile {
  readonly size: number;
  readonly sha256: string;
}

/** The `manifest.json` of a stored folder: written last, so that a folder without it is never trusted. */
export interface Manifest<T> {
  readonly schema: 1;
  readonly about: T;
  readonly files: Readonly<Record<string, StoredFile>>;
}

const MANIFEST = 'manifest.json';
const DAY_MS = 24 * 60 * 60 * 1000;
/** How far a file's time may be from the clock's: that of a file system ticks in steps. */
const CLOCK_MS = 1000;

/** The SHA-256 of a file, in hex. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Reads a stored folder's manifest; `undefined` when it is absent or a file is missing or of another size. */
export async function readStored<T>(folder: string): Promise<Manifest<T> | undefined> {
  const manifest = await readManifest<T>(folder);
  if (manifest === undefined) return undefined;
  for (const [path, file] of Object.entries(manifest.files)) {
    const size = file?.size;
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (!found?.isFile() || found.size !== size) return undefined;
  }
  return manifest;
}

/** Whether every file of a stored folder still has the SHA-256 of its manifest. */
export async function isIntact(folder: string, manifest: Manifest<unknown>): Promise<boolean> {
  for (const [path, file] of Object.entries(manifest.files)) {
    if ((await sha256(join(folder, path))) !== file.sha256) return false;
  }
  return true;
}

/**
 * Makes a stored folder: filled aside, described by its manifest, then renamed into place.
 * Whoever renames first wins; a later process keeps the winner's folder. What stands there without being whole
 * is replaced.
 *
 * @param isCurrent whether what stands there is what would be made: if not, it is replaced too
 * @throws {PolycomError} `FILE_ERROR` where the system refuses
 */
export async function store<T>(
  folder: string,
  fill: (aside: string) => Promise<T>,
  isCurrent: (about: T) => boolean = () => true,
): Promise<Manifest<T>> {
  const parent = dirname(folder);
  makeFolder(parent);
  return typed(folder, 'write', async () => {
    await removeLeftovers(parent);
    const aside = asideFolder(parent);
    try {
      await mkdir(aside);
      const about = await fill(aside);
      const manifest: Manifest<T> = { schema: 1, about, files: await describe(aside) };
      await writeFile(join(aside, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
      return await moveIntoPlace(aside, folder, manifest, isCurrent);
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
  });
}

/** As {@link readStored}, of a folder whose every file is as it was; from another the manifest is taken: it is made anew. */
export async function readIntact<T>(folder: string): Promise<Manifest<T> | undefined> {
  const manifest = await readStored<T>(folder);
  if (manifest === undefined || (await isIntact(folder, manifest))) return manifest;
  await distrust(folder);
  return undefined;
}

/** Takes the manifest from a stored folder that is not intact: nobody trusts it from now on. */
export async function distrust(folder: string): Promise<void> {
  await rm(join(folder, MANIFEST), { force: true });
}

/**
 * Writes a copy of a file beside its place and renames it: a process that uses the old one keeps it.
 *
 * @throws {PolycomError} `FILE_ERROR` where the system refuses
 */
export async function replaceFile(source: string, target: string): Promise<void> {
  makeFolder(dirname(target));
  const aside = asideFolder(dirname(target));
  await typed(target, 'write', async () => {
    try {
      await writeFile(aside, await readFile(source), { mode: 0o755 });
      await rename(aside, target);
    } finally {
      await rm(aside, { force: true });
    }
  });
}

async function readManifest<T>(folder: string): Promise<Manifest<T> | undefined> {
  try {
    const manifest = JSON.parse((await readWhole(join(folder, MANIFEST))).toString()) as Manifest<T>;
    return manifest.schema === 1 && Object.keys(manifest.files).every(isWithin) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a path stays in its folder. */
function isWithin(path: string): boolean {
  return !isAbsolute(path) && !normalize(path).startsWith('..');
}

async function moveIntoPlace<T>(
  aside: string,
  folder: string,
  manifest: Manifest<T>,
  isCurrent: (about: T) => boolean,
): Promise<Manifest<T>> {
  if (await tryRename(aside, folder)) return manifest;
  const winner = await readStored<T>(folder);
  if (winner !== undefined && isCurrent(winner.about)) return winner;
  await moveAway(folder);
  if (await tryRename(aside, folder)) return manifest;
  return (await readStored<T>(folder)) ?? manifest;
}

async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}

async function moveAway(folder: string): Promise<void> {
  const old = asideFolder(dirname(folder));
  await rename(folder, old).catch(() => undefined);
  await rm(old, { recursive: true, force: true });
}

async function describe(folder: string): Promise<Record<string, StoredFile>> {
  const files: Record<string, StoredFile> = {};
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((item) => item.isFile())) {
    const path = join(entry.parentPath, entry.name);
    files[path.slice(folder.length + 1)] = { size: (await stat(path)).size, sha256: await sha256(path) };
  }
  return files;
}

/** A new path beside what is to be replaced. The name says whose it is: `.aside-<host>-<pid>-<random>`. */
export function asideFolder(parent: string): string {
  return join(parent, `.aside-${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/**
 * Removes what killed processes left: those of this host that no longer run, those that had this process's number
 * before it began (a container numbers its processes alike each time), and any older than a day.
 */
export async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith('.aside-')) continue;
    const path = join(parent, name);
    const [pid] = name.split('-').slice(-2);
    const ours = name.startsWith(`.aside-${hostname()}-`);
    const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    if ((ours && !isWriting(Number(pid), age)) || age > DAY_MS) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

/** Whether the process of this number may be the one that wrote something `age` ms ago. */
export function isWriting(pid: number, age: number): boolean {
  return isRunning(pid) && !(pid === process.pid && age > process.uptime() * 1000 + CLOCK_MS);
}

/** Whether there is a process of this number. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
