import { resolve, sep } from 'node:path';
import { PolycomError } from './errors.js';
import { cacheDirectory } from './user-cache.js';

/** How a file is used when the system refuses it. */
export type FileAction = 'read' | 'write';

/**
 * The typed error of a file or folder that the system would not read or write. Its remedy names `POLYCOM_CACHE` where
 * it lies in the cache.
 *
 * @param reason in words; by default after the system's own code
 */
export function fileError(
  path: string,
  action: FileAction,
  cause: unknown,
  reason: string = reasonOf(cause),
): PolycomError {
  const remedy = action === 'write' ? writeRemedy(path, codeOf(cause)) : readRemedy(codeOf(cause));
  const place = path.split(/[\\/]\.aside-/)[0]!; // what is filled aside is known by where it goes
  return new PolycomError('FILE_ERROR', `cannot ${action} ${place}: ${reason}`, { cause, path, remedy });
}

/** Runs file work; what the system refuses becomes a typed error. */
export async function typed<T>(path: string, action: FileAction, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isSystemError(error)) throw fileError(path, action, error);
    throw error;
  }
}

/** Whether an error is one of the system's: it has a code such as ENOSPC, and names the call. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

/** Whether a path is a folder, or lies in it. */
export function isWithin(path: string, folder: string): boolean {
  const [inner, outer] = [resolve(path), resolve(folder)];
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}

/** What the system's code means, in words. */
export function reasonOf(cause: unknown): string {
  return REASONS[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
}

function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a file stands where a folder must',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the quota of disk space is used up',
  EROFS: 'the file system is read-only',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its links go round in a circle',
  EMFILE: 'too many files are open',
};

/** What helps beside another place. */
const HELPS: Readonly<Record<string, string>> = {
  ENOSPC: 'free space there',
  EDQUOT: 'free space there',
  EACCES: 'see its permissions',
  EPERM: 'see its permissions',
  EROFS: 'mount it for writing',
  EMFILE: 'raise the limit of open files (ulimit -n)',
};

function writeRemedy(path: string, code: string): string {
  const place = isWithin(path, cacheDirectory())
    ? 'name a folder that you may write to in the variable POLYCOM_CACHE'
    : ANOTHER_PLACE;
  return [HELPS[code], place].filter((part) => part !== undefined).join(', or ');
}

const ANOTHER_PLACE = 'name another place';
const CHECK_PATH = 'check the path';

/** The ends of remedies which say that the place was the caller's choice: what named it may follow. */
export const CALLERS_CHOICE: readonly string[] = [ANOTHER_PLACE, CHECK_PATH];

function readRemedy(code: string): string {
  if (code === 'EISDIR') return 'name a file';
  return HELPS[code] ?? CHECK_PATH;
}
