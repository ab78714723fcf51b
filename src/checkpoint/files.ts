import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { typed } from '../common/file-error.js';
import { openFile } from '../common/files.js';
import { asideFolder } from '../common/store.js';

/** What a file was when it was written: its size in bytes, and the CRC-32 of its content. */
export interface FileSum {
  readonly bytes: number;
  readonly crc32: number;
}

/** The most bytes of one read or write: Linux moves at most 2 GiB at once. */
const CHUNK_BYTES = 1 << 26;

/** Writes to the end of a file, and sums up what it has written. */
export class SummingWriter {
  readonly #handle: FileHandle;
  #bytes = 0;
  #crc = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(data: Uint8Array): Promise<void> {
    for (let from = 0; from < data.length; ) {
      const chunk = data.subarray(from, from + CHUNK_BYTES);
      const { bytesWritten } = await this.#handle.write(chunk);
      this.#crc = crc32(chunk.subarray(0, bytesWritten), this.#crc);
      this.#bytes += bytesWritten;
      from += bytesWritten;
    }
  }

  get sum(): FileSum {
    return { bytes: this.#bytes, crc32: this.#crc };
  }
}

/**
 * Writes a file so that its path holds the old content or the whole new one, whatever happens: to a file beside it,
 * to the disk, then renamed.
 *
 * @throws {PolycomError} `FILE_ERROR`; the old file stays
 */
export function writeAside(path: string, fill: (writer: SummingWriter) => Promise<void>): Promise<FileSum> {
  return typed(path, 'write', async () => {
    const aside = asideFolder(dirname(path));
    try {
      const sum = await writeSynced(aside, fill);
      await rename(aside, path);
      await syncFolder(dirname(path));
      return sum;
    } finally {
      await rm(aside, { force: true });
    }
  });
}

/** Writes a new file, and waits until the disk has it. */
async function writeSynced(path: string, fill: (writer: SummingWriter) => Promise<void>): Promise<FileSum> {
  const handle = await open(path, 'wx');
  try {
    const writer = new SummingWriter(handle);
    await fill(writer);
    await handle.sync();
    return writer.sum;
  } finally {
    await handle.close();
  }
}

/** Waits until the disk has a folder's names: a rename is not lost with the power. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Reads `into` full from a place in a file; `false` where the file ends before. */
export async function readFully(handle: FileHandle, into: Uint8Array, position: number): Promise<boolean> {
  for (let done = 0; done < into.length; ) {
    const length = Math.min(into.length - done, CHUNK_BYTES);
    const { bytesRead } = await handle.read(into, done, length, position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** Sums up a file, a chunk at a time. */
export function sumOfFile(path: string): Promise<FileSum> {
  return typed(path, 'read', async () => {
    const handle = await openFile(path);
    try {
      const chunk = new Uint8Array(1 << 20);
      let [bytes, crc] = [0, 0];
      for (;;) {
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, bytes);
        if (bytesRead === 0) return { bytes, crc32: crc };
        crc = crc32(chunk.subarray(0, bytesRead), crc);
        bytes += bytesRead;
      }
    } finally {
      await handle.close();
    }
  });
}
