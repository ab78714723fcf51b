import { accessSync, constants, lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { PolycomError } from './errors.js';
import { fileError, reasonOf } from './file-error.js';

/**
 * Makes a folder, and those that it lies in, unless it stands. One at a time from the topmost that is missing: making
 * them all in one call hides why it fails, and never ends in Node 20 where the system makes no folders, as in /proc.
 *
 * @throws {PolycomError} `FILE_ERROR` with the real reason: a read-only file system, a file or a dangling link in the way
 */
export function makeFolder(folder: string): void {
  const missing: string[] = [];
  for (let at = resolve(folder); ; at = dirname(at)) {
    const obstacle = tryToMake(at);
    if (obstacle === undefined) break;
    if (obstacle.code !== 'ENOENT' || at === dirname(at)) throw refused(folder, at, obstacle);
    missing.push(at);
  }
  for (const at of missing.reverse()) {
    const obstacle = tryToMake(at);
    if (obstacle !== undefined) throw refused(folder, at, obstacle);
  }
}

/** Why a folder could not be made, or not be written to if it stands; nothing where it could. It changes nothing. */
export function whyUnwritable(folder: string): PolycomError | undefined {
  let at = resolve(folder);
  while (!stands(at) && at !== dirname(at)) at = dirname(at);
  try {
    if (!isFolder(at)) return fileError(folder, 'write', undefined, inTheWay(at));
    accessSync(at, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return fileError(folder, 'write', error, reasonAt(at, error));
  }
}

/** Makes one folder; what keeps it from standing, if anything. */
function tryToMake(at: string): NodeJS.ErrnoException | undefined {
  try {
    mkdirSync(at);
    return undefined;
  } catch (error) {
    return isFolder(at) ? undefined : (error as NodeJS.ErrnoException);
  }
}

function refused(folder: string, at: string, cause: NodeJS.ErrnoException): PolycomError {
  return fileError(folder, 'write', cause, whyRefused(at, cause));
}

function whyRefused(at: string, cause: NodeJS.ErrnoException): string {
  if (cause.code === 'EEXIST') return inTheWay(at);
  if (cause.code === 'ENOTDIR') {
    let file = at;
    while (!stands(file) && file !== dirname(file)) file = dirname(file);
    return inTheWay(file);
  }
  const parent = dirname(at);
  if (cause.code === 'ENOENT') return `the system makes no folders in ${parent}`;
  return reasonAt(parent, cause);
}

/** What stands in a folder's place. */
function inTheWay(at: string): string {
  return lstatSync(at).isSymbolicLink() ? `${at} is a link that leads nowhere` : `${at} is a file`;
}

function reasonAt(place: string, cause: unknown): string {
  return `${reasonOf(cause)}: ${place}`;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Whether a name is there, be it a link that leads nowhere. */
function stands(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
