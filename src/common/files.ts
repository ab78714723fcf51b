import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, type Stats } from 'node:fs';
import { access, type FileHandle, open } from 'node:fs/promises';
import { PolycomError } from './errors.js';

/** Whether something is at a path. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Opening a pipe does not wait for who writes into it. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** The most bytes of a file that is read in one piece: a text of JSON that is longer has no use here. */
const MOST_BYTES = 2 ** 28;

/**
 * Opens a file to read it. Errors of the system come as they are.
 *
 * @throws {PolycomError} `FILE_ERROR` for a pipe or a device, which may have no end
 */
export async function openFile(path: string): Promise<FileHandle> {
  const handle = await open(path, READ);
  try {
    checkIsFile(path, await handle.stat());
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Reads a file in one piece. Errors of the system come as they are.
 *
 * @throws {PolycomError} `FILE_ERROR` for a pipe or a device, or for a file that is too large to be meant
 */
export async function readWhole(path: string): Promise<Buffer> {
  const handle = await openFile(path);
  try {
    checkSize(path, await handle.stat());
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** As {@link readWhole}, at once. */
export function readWholeSync(path: string): Buffer {
  const file = openSync(path, READ);
  try {
    const found = fstatSync(file);
    checkIsFile(path, found);
    checkSize(path, found);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Reads a file, a pipe or standard input to its end, a chunk at a time. Errors of the system come as they are.
 *
 * @param path or the number of an open file
 * @throws {PolycomError} `FILE_ERROR` for one that does not come to an end within what is read in one piece
 */
export function* chunksSync(path: string | number): Generator<Buffer> {
  const file = typeof path === 'number' ? path : openSync(path, 'r');
  try {
    for (let bytes = 0; ; ) {
      const chunk = Buffer.alloc(1 << 16);
      const length = readSync(file, chunk);
      if (length === 0) return;
      bytes += length;
      if (bytes > MOST_BYTES) throw tooLarge(path === 0 ? 'standard input' : String(path), 'more');
      yield chunk.subarray(0, length);
    }
  } finally {
    if (file !== path) closeSync(file);
  }
}

function checkIsFile(path: string, found: Stats): void {
  if (found.isFile()) return;
  if (found.isDirectory()) {
    const message = `EISDIR: illegal operation on a directory, read '${path}'`;
    throw Object.assign(new Error(message), { code: 'EISDIR', syscall: 'read', path });
  }
  throw new PolycomError('FILE_ERROR', `cannot read ${path}: it is a pipe or a device, no file`, {
    remedy: 'write what it gives into a file first',
  });
}

function checkSize(path: string, { size }: Stats): void {
  if (size <= MOST_BYTES) return;
  throw tooLarge(path, `${size} bytes`);
}

function tooLarge(path: string, size: string): PolycomError {
  const message = `cannot read ${path}: it has ${size}; expected at most ${MOST_BYTES} bytes`;
  return new PolycomError('FILE_ERROR', message, {
    remedy: 'name another file: no such file is meant to be this large',
  });
}
