import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PolycomError } from '../common/errors.js';
import { requireHere } from '../common/package.js';
import { addonFile, libraryCandidates } from './find.js';

/** Memory on a device with an owner: freed by `dispose`, or else some time after this has been collected. */
export interface DeviceBuffer {
  /** 0 once disposed. */
  readonly address: bigint;
  /** Frees the memory after the work queued before, and gives a status. Doing it again does nothing. */
  dispose(): number;
}

/** What the addon does for one loaded library. A number in place of a result is the status of a failure. */
export interface AddonLibrary {
  /** @param accounted how much the buffer weighs for V8's garbage collector, in bytes */
  allocate(queue: bigint, bytes: number, accounted: number): DeviceBuffer | number;
  allocateHost(queue: bigint, bytes: number): ArrayBuffer | number;
  /** A promise of the status with which the work queued so far ends. */
  done(queue: bigint): Promise<number> | number;
}

/** A library that koffi has loaded. */
export interface LoadedLibrary {
  readonly path: string;
  symbol(name: string): bigint;
}

interface Addon {
  readonly abiVersion: number;
  open(functions: BigUint64Array): AddonLibrary;
}

// In the order of `functions` in native/addon/library.h.
const FUNCTIONS = ['pc_memory_allocate', 'pc_memory_allocate_host', 'pc_memory_free', 'pc_queue_notify'];
const REMEDY = 'run: npx polycom build';

/**
 * Loads the addon, from beside the library or from where a library could have been, and has it call this library's
 * functions: it has no libpolycom of its own.
 *
 * @throws {PolycomError} `LIBRARY_NOT_FOUND` where there is none, `ABI_MISMATCH` for one of another version
 */
export function openAddon(library: LoadedLibrary, abiVersion: number): AddonLibrary {
  const path = [library.path, ...libraryCandidates()]
    .map((candidate) => join(dirname(resolve(candidate)), addonFile))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new PolycomError('LIBRARY_NOT_FOUND', `the addon ${addonFile} has not been built`, {
      remedy: REMEDY,
    });
  }
  const addon = load(path);
  if (addon.abiVersion !== abiVersion) {
    throw new PolycomError(
      'ABI_MISMATCH',
      `${path} has ABI version ${addon.abiVersion}; expected ${abiVersion}`,
      {
        remedy: REMEDY,
      },
    );
  }
  return addon.open(BigUint64Array.from(FUNCTIONS, (name) => addressOf(library, name)));
}

function load(path: string): Addon {
  try {
    return requireHere(path) as Addon;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new PolycomError('LIBRARY_NOT_FOUND', `${path}: ${message}`, { remedy: REMEDY, cause });
  }
}

function addressOf(library: LoadedLibrary, name: string): bigint {
  try {
    return library.symbol(name);
  } catch (cause) {
    throw new PolycomError('ABI_MISMATCH', `${library.path} has no ${name}`, { remedy: REMEDY, cause });
  }
}
