import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { lastLines, runCommand } from '../../common/command.js';
import { PolycomError } from '../../common/errors.js';
import { makeFolder } from '../../common/folder.js';
import { isIntact, type Manifest, readIntact, readStored, sha256, store } from '../../common/store.js';
import { cacheDirectory } from '../../common/user-cache.js';
import { namesCuda } from './cuda-build.js';
import { CUDA_PINNED, fetchNvidia } from './cuda-wheels.js';
import { hasLibraries, LIBRARIES, loadLibraries, tensorflowIn } from './folder.js';
import { downloadWheel, unpackInto } from './pip.js';
import type { OnLine } from './types.js';

/** The wheel that is fetched when no TensorFlow is at hand. Any Python's pip can fetch it: it is only unpacked. */
export const PINNED = {
  requirement: 'tensorflow-cpu==2.21.0',
  version: '2.21.0',
  file: 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
  sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  megabytes: 274,
} as const;

/** What the manifest of an unpacked wheel says beside its files. */
export interface Unpacked {
  readonly version: string;
  readonly wheel: {
    readonly name: string;
    readonly size: number;
    readonly modified: number;
    readonly sha256: string;
  };
  /** Whether the libraries' symbol tables for debuggers were dropped. */
  readonly stripped: boolean;
}

/** A stored TensorFlow. */
export interface StoredTensorflow {
  readonly folder: string;
  readonly manifest: Manifest<Unpacked>;
}

const GIGABYTES_NEEDED = 1.2;

/** The unpacked wheels of our cache that are whole, the pinned one first, then by name. */
export async function storedWheels(verify: boolean): Promise<StoredTensorflow[]> {
  const root = cacheDirectory('tensorflow');
  const names = (await readdir(root).catch(() => [])).filter((name) => !name.startsWith('.')).sort();
  const pinned = entryName(PINNED.version, PINNED.sha256);
  const ordered = [...names.filter((name) => name === pinned), ...names.filter((name) => name !== pinned)];
  const stored: StoredTensorflow[] = [];
  for (const name of ordered) {
    const folder = join(root, name);
    const manifest = await readStored<Unpacked>(folder);
    if (manifest === undefined || tensorflowIn(folder) === undefined) continue;
    if (!verify || (await isIntact(folder, manifest))) stored.push({ folder, manifest });
  }
  return stored;
}

/** The cached unpacking of a wheel file, recognised by its name, size and time. */
export async function storedWheel(wheel: string, verify: boolean): Promise<StoredTensorflow | undefined> {
  const { size, mtimeMs } = await stat(wheel);
  return (await storedWheels(verify)).find(({ manifest }) => {
    const known = manifest.about.wheel;
    return known.name === basename(wheel) && known.size === size && known.modified === mtimeMs;
  });
}

/** Unpacks what is needed of a wheel into our cache. */
export async function unpackWheel(wheel: string, say: OnLine): Promise<StoredTensorflow> {
  const version = versionIn(wheel);
  const { size, mtimeMs } = await stat(wheel);
  const digest = await sha256(wheel);
  return storeWheel(version, digest, say, async (aside) => {
    await extract(wheel, aside);
    return { name: basename(wheel), size, modified: mtimeMs, sha256: digest };
  });
}

/** The version in a wheel's name. */
function versionIn(wheel: string): string {
  const version = /^(?:tensorflow|tf)[a-z_]*-([^-]+)-/.exec(basename(wheel))?.[1];
  if (version === undefined) {
    throw new PolycomError('INVALID_ARGUMENT', `${basename(wheel)} is not named like a TensorFlow wheel`, {
      remedy: 'give the file that pip downloaded, under its own name (tensorflow-<version>-….whl)',
    });
  }
  return version;
}

/** Fetches the pinned wheel with pip, checks it, unpacks it into our cache and deletes it. */
export async function fetchWheel(say: OnLine): Promise<StoredTensorflow> {
  await checkSpace(GIGABYTES_NEEDED);
  return storeWheel(PINNED.version, PINNED.sha256, say, async (aside) => {
    const downloads = await mkdtemp(join(aside, 'download-'));
    say(`fetching ${PINNED.requirement} with pip (${PINNED.megabytes} MB)`);
    const wheel = await downloadWheel(PINNED.requirement, downloads, PINNED.file);
    const digest = await sha256(wheel);
    if (digest !== PINNED.sha256) throw wrongDigest(digest);
    const { size, mtimeMs } = await stat(wheel);
    say('unpacking');
    await extract(wheel, aside);
    await rm(downloads, { recursive: true });
    return { name: PINNED.file, size, modified: mtimeMs, sha256: digest };
  });
}

/**
 * Fetches a TensorFlow with CUDA and NVIDIA's libraries with pip, into our cache as they would lie in site-packages,
 * where they find each other.
 *
 * @param wheel one at hand, of whose libraries alone are to be fetched
 */
export async function fetchCudaWheels(wheel: string | undefined, say: OnLine): Promise<StoredTensorflow> {
  const { requirement, version, gigabytes } = CUDA_PINNED;
  await checkSpace(gigabytes.kept + gigabytes.fetched);
  const key = wheel === undefined ? `${version}-cuda` : `${basename(wheel, '.whl')}-cuda`;
  const what = wheel === undefined ? requirement : `what ${basename(wheel)} needs`;
  say(
    `fetching ${what} and NVIDIA's CUDA libraries with pip: about ${gigabytes.fetched} GB, ` +
      `${gigabytes.kept} GB once unpacked in ${cacheDirectory('tensorflow', key)}`,
  );
  return storeAs(key, wheel === undefined ? version : versionIn(wheel), say, async (aside) => {
    const downloads = await mkdtemp(join(aside, 'download-'));
    const file = wheel ?? (await downloadWheel(requirement, downloads));
    const { size, mtimeMs } = await stat(file);
    const digest = await sha256(file);
    await extract(file, join(aside, 'tensorflow'));
    await rm(downloads, { recursive: true });
    if (!namesCuda(join(aside, 'tensorflow'))) throw noCuda(basename(file));
    await fetchNvidia(aside, say);
    return { name: basename(file), size, modified: mtimeMs, sha256: digest };
  });
}

function storeWheel(
  version: string,
  digest: string,
  say: OnLine,
  fill: (aside: string) => Promise<Unpacked['wheel']>,
): Promise<StoredTensorflow> {
  return storeAs(entryName(version, digest), version, say, fill);
}

async function storeAs(
  name: string,
  version: string,
  say: OnLine,
  fill: (aside: string) => Promise<Unpacked['wheel']>,
): Promise<StoredTensorflow> {
  const folder = cacheDirectory('tensorflow', name);
  const known = await readIntact<Unpacked>(folder);
  if (known !== undefined) return { folder, manifest: known };
  if (existsSync(folder)) say(`${folder} is damaged: making it anew`);
  const make = async (aside: string): Promise<Unpacked> => {
    const wheel = await fill(aside);
    const nested = join(aside, 'tensorflow');
    if (!existsSync(nested) && namesCuda(aside)) await nest(aside, nested);
    return { version, wheel, stripped: await strip(existsSync(nested) ? nested : aside, say) };
  };
  return { folder, manifest: await store(folder, make) };
}

/** Of 274 MB: the libraries, the C headers with what they include in any version since 2.12, the licences. */
const WANTED: readonly string[] = [
  ...LIBRARIES.map((name) => `tensorflow/${name}`),
  'tensorflow/include/tensorflow/c/*.h',
  'tensorflow/include/*tensorflow/core/platform/ctstring*.h',
  'tensorflow/include/*tsl/platform/ctstring*.h',
  'tensorflow/include/*tsl/c/*.h',
  'tensorflow/include/LICENSE',
  'tensorflow/THIRD_PARTY_NOTICES.txt',
  '*.dist-info/METADATA',
  '*.dist-info/LICENSE*',
];

/** And what the library that finds TensorFlow's stream is compiled with: 18 MB. */
const CPP_HEADERS = {
  root: 'tensorflow/include/',
  names: [
    'tensorflow/core/framework/op_kernel.h',
    'tensorflow/core/framework/types.h',
    'xla/stream_executor/stream.h',
  ],
} as const;

async function extract(wheel: string, folder: string): Promise<void> {
  const result = await unpackInto(wheel, folder, WANTED, 1, CPP_HEADERS);
  if (result.status === 0 && hasLibraries(folder)) return;
  const why = result.status === 0 ? `it holds no ${LIBRARIES.join(' and ')}` : lastLines(result, 3);
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `cannot use the wheel ${basename(wheel)}: ${why}`, {
    remedy:
      'give a complete TensorFlow wheel for Linux, 2.12 or newer, and leave 1.2 GB free in the cache (POLYCOM_CACHE)',
  });
}

/** A TensorFlow with CUDA looks for NVIDIA's libraries in `nvidia` beside its folder, which needs one of its own. */
async function nest(folder: string, nested: string): Promise<void> {
  const names = await readdir(folder);
  await mkdir(nested);
  for (const name of names) await rename(join(folder, name), join(nested, name));
}

function noCuda(file: string): PolycomError {
  return new PolycomError('TENSORFLOW_NOT_FOUND', `${file} is a TensorFlow without CUDA`, {
    remedy:
      "give a wheel of the package 'tensorflow' (tensorflow-cpu has no CUDA), or leave --tensorflow out",
  });
}

/** Drops the libraries' debugging symbols when `strip` can and the result still loads; says whether it did. */
async function strip(folder: string, say: OnLine): Promise<boolean> {
  const aside = join(folder, 'stripped');
  await mkdir(aside);
  try {
    for (const name of LIBRARIES) {
      const args = ['--strip-unneeded', '-o', join(aside, name), join(folder, name)];
      if ((await runCommand('strip', args)).status !== 0) return false;
    }
    if ((await loadLibraries(aside)).status !== 0) return false;
    for (const name of LIBRARIES) await rename(join(aside, name), join(folder, name));
    say('dropped the debugging symbols');
    return true;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function checkSpace(gigabytes: number): Promise<void> {
  const root = cacheDirectory('tensorflow');
  makeFolder(root);
  const { bavail, bsize } = await statfs(root);
  if (bavail * bsize >= gigabytes * 1e9) return;
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `no room for TensorFlow in ${root}`, {
    remedy: `free ${gigabytes} GB there, or name a folder with room in POLYCOM_CACHE`,
  });
}

function entryName(version: string, digest: string): string {
  return `${version}-${digest.slice(0, 12)}`;
}

function wrongDigest(digest: string): PolycomError {
  return new PolycomError('TENSORFLOW_NOT_FOUND', `pip fetched a ${PINNED.file} with SHA-256 ${digest}`, {
    remedy: `expected ${PINNED.sha256}: the mirror serves another file; point pip at another index`,
  });
}
