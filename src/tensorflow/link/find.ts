import { existsSync, statSync } from 'node:fs';
import { runCommand } from '../../common/command.js';
import { PolycomError } from '../../common/errors.js';
import { isCudaBuild, wantedGpu } from './cuda-build.js';
import { isAtLeast, OLDEST_VERSION, tensorflowIn, versionOf } from './folder.js';
import type { FindOptions, OnLine, TensorflowFound, TensorflowSource } from './types.js';
import {
  fetchCudaWheels,
  fetchWheel,
  type StoredTensorflow,
  storedWheel,
  storedWheels,
  unpackWheel,
} from './wheel.js';

/**
 * Finds a TensorFlow without fetching or unpacking anything: the one named by the option or by
 * `POLYCOM_TENSORFLOW`, else that of our cache, else the one installed in `python3`; of these two one with CUDA first,
 * where a GPU is in sight or wanted.
 */
export async function findTensorflow(options: FindOptions = {}): Promise<TensorflowFound | undefined> {
  const given = givenPath(options);
  if (given === undefined) return atHand(options);
  if (!isWheel(given)) return fromFolder(given);
  const stored = await storedWheel(given, options.verify ?? false);
  return stored && fromStore(stored, 'given');
}

/** As {@link findTensorflow}, and else unpacks the given wheel, or fetches the pinned one with pip. */
export async function obtainTensorflow(options: FindOptions, say: OnLine): Promise<TensorflowFound> {
  const found = await findTensorflow(options);
  const given = givenPath(options);
  if (found !== undefined && (given === undefined || !options.gpu)) return found;
  if (options.gpu) return obtainCuda(found, given, say);
  if (given === undefined) {
    checkFetchable();
    return fromStore(await fetchWheel(say), 'fetched');
  }
  say(`unpacking ${given}`);
  return fromStore(await unpackWheel(given, say), 'given');
}

/** What is given, if its NVIDIA libraries are there; else it, or the pinned TensorFlow, with those that it needs. */
async function obtainCuda(
  found: TensorflowFound | undefined,
  given: string | undefined,
  say: OnLine,
): Promise<TensorflowFound> {
  if (given === undefined || isWheel(given)) {
    checkFetchable();
    return fromStore(await fetchCudaWheels(given, say), given === undefined ? 'fetched' : 'given');
  }
  if (await isCudaBuild(found!.libraryFolder, true)) return found!;
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `${given} holds a TensorFlow without CUDA`, {
    remedy: "pip install 'tensorflow[and-cuda]' there, or leave --tensorflow out: --gpu fetches one",
  });
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

/** The best of what is cached and installed. */
async function atHand(options: FindOptions): Promise<TensorflowFound | undefined> {
  const cached = (await storedWheels(options.verify ?? false)).map((stored) => fromStore(stored, 'cache'));
  const { wanted, name } = await wantedGpu(options);
  if (!wanted) return cached[0] ?? (await installed());
  const python = await installed();
  const all = python === undefined ? cached : [...cached, python];
  const ask = options.gpu === true || name !== undefined;
  for (const found of all) {
    if (await isCudaBuild(found.libraryFolder, ask)) return found;
  }
  return options.gpu ? undefined : all[0];
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
