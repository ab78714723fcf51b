import { existsSync, statSync } from 'node:fs';
import { runCommand } from '../../command.js';
import { PolycomError } from '../../errors.js';
import { isAtLeast, OLDEST_VERSION, tensorflowIn, versionOf } from './folder.js';
import type { FindOptions, Progress, TensorflowFound, TensorflowSource } from './types.js';
import { fetchWheel, type StoredTensorflow, storedWheel, storedWheels, unpackWheel } from './wheel.js';

/**
 * Finds a TensorFlow without fetching or unpacking anything: the one named by the option or by
 * `POLYCOM_TENSORFLOW`, else that of our cache, else the one installed in `python3`.
 */
export async function findTensorflow(options: FindOptions = {}): Promise<TensorflowFound | undefined> {
  const given = givenPath(options);
  if (given === undefined) return (await cached(options)) ?? (await installed());
  if (!isWheel(given)) return fromFolder(given);
  const stored = await storedWheel(given, options.verify ?? false);
  return stored && fromStore(stored, 'given');
}

/** As {@link findTensorflow}, and else unpacks the given wheel, or fetches the pinned one with pip. */
export async function obtainTensorflow(options: FindOptions, say: Progress): Promise<TensorflowFound> {
  const found = await findTensorflow(options);
  if (found !== undefined) return found;
  const given = givenPath(options);
  if (given === undefined) {
    checkFetchable();
    return fromStore(await fetchWheel(say), 'fetched');
  }
  say(`unpacking ${given}`);
  return fromStore(await unpackWheel(given, say), 'given');
}

function givenPath(options: FindOptions): string | undefined {
  const path = options.tensorflow ?? process.env.POLYCOM_TENSORFLOW;
  if (path === undefined || path === '') return undefined;
  if (existsSync(path)) return path;
  const origin = options.tensorflow === undefined ? 'POLYCOM_TENSORFLOW' : 'the given path';
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `${origin} does not exist: ${path}`, {
    remedy: 'name a TensorFlow wheel, a site-packages folder, or a folder with the libraries',
  });
}

function isWheel(path: string): boolean {
  return path.endsWith('.whl') && statSync(path).isFile();
}

async function fromFolder(path: string): Promise<TensorflowFound> {
  const parts = tensorflowIn(path);
  const version = parts && (await versionOf(parts.libraryFolder));
  if (parts !== undefined && version !== undefined && isAtLeast(version, OLDEST_VERSION)) {
    return { version, ...parts, source: 'given' };
  }
  const why = version === undefined ? 'no loadable TensorFlow with its headers' : `TensorFlow ${version}`;
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `${path} holds ${why}`, {
    remedy: `TensorFlow ${OLDEST_VERSION} or newer is needed: libtensorflow_cc.so.2 and libtensorflow_framework.so.2, with include/ in or beside their folder`,
  });
}

async function cached(options: FindOptions): Promise<TensorflowFound | undefined> {
  const [stored] = await storedWheels(options.verify ?? false);
  return stored && fromStore(stored, 'cache');
}

function fromStore({ folder, manifest }: StoredTensorflow, source: TensorflowSource): TensorflowFound {
  const parts = tensorflowIn(folder);
  if (parts !== undefined) return { version: manifest.about.version, ...parts, source };
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `${folder} holds no headers`, {
    remedy: 'give a complete TensorFlow wheel for Linux, 2.12 or newer',
  });
}

const WHERE = `
import importlib.util
spec = importlib.util.find_spec('tensorflow')
print(next(iter(spec.submodule_search_locations or []), '') if spec else '')
`;

/** The TensorFlow of `python3`, found without importing it and used where it lies. */
async function installed(): Promise<TensorflowFound | undefined> {
  const { status, stdout } = await runCommand('python3', ['-c', WHERE]);
  const folder = stdout.trim();
  const parts = status === 0 && folder !== '' ? tensorflowIn(folder) : undefined;
  const version = parts && (await versionOf(parts.libraryFolder));
  if (parts === undefined || version === undefined || !isAtLeast(version, OLDEST_VERSION)) return undefined;
  return { version, ...parts, source: 'installed' };
}

function checkFetchable(): void {
  if (process.arch !== 'x64') {
    throw new PolycomError(
      'TENSORFLOW_NOT_FOUND',
      `no TensorFlow at hand, and none is pinned for ${process.arch}`,
      {
        remedy: 'pip install tensorflow (2.12 or newer), then run this again: it is used where it lies',
      },
    );
  }
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const glibc = header?.glibcVersionRuntime;
  if (glibc !== undefined && isAtLeast(glibc, '2.27')) return;
  throw new PolycomError('UNSUPPORTED', `TensorFlow needs glibc 2.27 or newer; here is ${glibc ?? 'none'}`, {
    remedy: 'use a distribution with glibc (Alpine has musl), for instance the node:22-slim image',
  });
}
