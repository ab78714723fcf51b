import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LIBRARIES } from './folder.js';

/**
 * Where a TensorFlow with CUDA looks for NVIDIA's libraries beside itself and they are not: a wheel alone brings none.
 *
 * @returns the folders that are missing; none for a TensorFlow without CUDA, or a whole installation
 */
export function missingCudaFolders(libraryFolder: string): string[] {
  const wanted = LIBRARIES.flatMap((name) => runpathOf(join(libraryFolder, name)))
    .filter((entry) => entry.includes('/nvidia/'))
    .map((entry) => join(entry.replace('$ORIGIN', libraryFolder)));
  return [...new Set(wanted)].filter((folder) => !existsSync(folder));
}

const PROGRAM_HEADER_BYTES = 56;
const [LOAD, DYNAMIC] = [1, 2];
const [STRING_TABLE, RPATH, RUNPATH] = [5n, 15n, 29n];
const MOST_BYTES = 1 << 16;

/** The folders in which a 64-bit ELF library looks for others; none for any other file. */
export function runpathOf(path: string): string[] {
  const file = openSync(path, 'r');
  try {
    const header = bytesAt(file, 0, 64);
    if (header.length < 64 || header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return [];
    const count = header.readUInt16LE(56);
    const segments = bytesAt(file, Number(header.readBigUInt64LE(32)), count * PROGRAM_HEADER_BYTES);
    const parts = Array.from({ length: count }, (_, i) => {
      const at = segments.subarray(i * PROGRAM_HEADER_BYTES);
      const [offset, address, size] = [8, 16, 32].map((from) => Number(at.readBigUInt64LE(from)));
      return { type: at.readUInt32LE(0), offset: offset!, address: address!, size: size! };
    });
    const dynamic = parts.find(({ type }) => type === DYNAMIC);
    if (dynamic === undefined) return [];
    const values = entriesOf(bytesAt(file, dynamic.offset, Math.min(dynamic.size, MOST_BYTES)));
    const [table, runpath] = [values.get(STRING_TABLE), values.get(RUNPATH) ?? values.get(RPATH)];
    if (table === undefined || runpath === undefined) return [];
    const within = parts.find(
      ({ type, address, size }) => type === LOAD && table >= address && table < address + size,
    );
    if (within === undefined) return [];
    const text = bytesAt(file, within.offset + table - within.address + runpath, MOST_BYTES);
    return text.toString('utf8', 0, Math.max(text.indexOf(0), 0)).split(':');
  } finally {
    closeSync(file);
  }
}

/** A dynamic section's values by tag. */
function entriesOf(section: Buffer): Map<bigint, number> {
  const values = new Map<bigint, number>();
  for (let at = 0; at + 16 <= section.length; at += 16) {
    values.set(section.readBigUInt64LE(at), Number(section.readBigUInt64LE(at + 8)));
  }
  return values;
}

function bytesAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, position));
}

/** The warning about them. */
export function cudaWarning(libraryFolder: string): string | undefined {
  const missing = missingCudaFolders(libraryFolder);
  if (missing.length === 0) return undefined;
  const names = missing.map((folder) => folder.split('/').at(-2)).join(', ');
  return (
    `this TensorFlow has CUDA, but NVIDIA's libraries (${names}) are not beside it in ${dirname(dirname(missing[0]!))}: ` +
    'unless the system has them it stays on the CPU; remedy: npx polycom tf-link --gpu, which fetches them, or pip install ' +
    "'tensorflow[and-cuda]', then npx polycom tf-link --tensorflow <site-packages>"
  );
}
