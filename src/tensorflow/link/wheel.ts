import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cacheDirectory } from '../../cache.js';
import { lastLines, runCommand } from '../../command.js';
import { PolycomError } from '../../errors.js';
import { makeFolder } from '../../folder.js';
import { distrust, isIntact, type Manifest, readStored, sha256, store } from '../../store.js';
import { hasLibraries, LIBRARIES, loadLibraries } from './folder.js';
import type { Progress } from './types.js';

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

const BYTES_NEEDED = 1.2e9;

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
    if (manifest === undefined || !hasLibraries(folder)) continue;
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
export async function unpackWheel(wheel: string, say: Progress): Promise<StoredTensorflow> {
  const version = /^(?:tensorflow|tf)[a-z_]*-([^-]+)-/.exec(basename(wheel))?.[1];
  if (version === undefined) {
    throw new PolycomError('INVALID_ARGUMENT', `${basename(wheel)} is not named like a TensorFlow wheel`, {
      remedy: 'give the file that pip downloaded, under its own name (tensorflow-<version>-….whl)',
    });
  }
  const { size, mtimeMs } = await stat(wheel);
  const digest = await sha256(wheel);
  return storeWheel(version, digest, say, async (aside) => {
    await extract(wheel, aside);
    return { name: basename(wheel), size, modified: mtimeMs, sha256: digest };
  });
}

/** Fetches the pinned wheel with pip, checks it, unpacks it into our cache and deletes it. */
export async function fetchWheel(say: Progress): Promise<StoredTensorflow> {
  await checkSpace();
  return storeWheel(PINNED.version, PINNED.sha256, say, async (aside) => {
    const downloads = await mkdtemp(join(aside, 'download-'));
    say(`fetching ${PINNED.requirement} with pip (${PINNED.megabytes} MB)`);
    const wheel = await download(downloads);
    const digest = await sha256(wheel);
    if (digest !== PINNED.sha256) throw wrongDigest(digest);
    const { size, mtimeMs } = await stat(wheel);
    say('unpacking');
    await extract(wheel, aside);
    await rm(downloads, { recursive: true });
    return { name: PINNED.file, size, modified: mtimeMs, sha256: digest };
  });
}

async function storeWheel(
  version: string,
  digest: string,
  say: Progress,
  fill: (aside: string) => Promise<Unpacked['wheel']>,
): Promise<StoredTensorflow> {
  const folder = cacheDirectory('tensorflow', entryName(version, digest));
  const known = await readStored<Unpacked>(folder);
  if (known !== undefined && (await isIntact(folder, known))) return { folder, manifest: known };
  if (known !== undefined) await distrust(folder);
  if (existsSync(folder)) say(`${folder} is damaged: making it anew`);
  const make = async (aside: string): Promise<Unpacked> => {
    const wheel = await fill(aside);
    return { version, wheel, stripped: await strip(aside, say) };
  };
  return { folder, manifest: await store(folder, make) };
}

async function download(folder: string): Promise<string> {
  const options = ['--no-deps', '--only-binary=:all:', '--no-cache-dir', '--disable-pip-version-check'];
  const platform = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'];
  const args = ['-m', 'pip', 'download', ...options, '--no-input', '--progress-bar', 'off', ...platform];
  const target = ['--platform', 'manylinux_2_27_x86_64', '--dest', folder, PINNED.requirement];
  const result = await runCommand('python3', [...args, ...target], { ...process.env, TMPDIR: folder });
  if (result.missing) throw noPython();
  if (result.stderr.includes('No module named pip')) throw noPip();
  const wheel = join(folder, PINNED.file);
  if (result.status === 0 && existsSync(wheel)) return wheel;
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `pip could not fetch TensorFlow:\n${lastLines(result)}`, {
    remedy:
      'let pip reach its package index (proxy: HTTPS_PROXY; mirror: PIP_INDEX_URL), or bring a wheel from ' +
      `another machine (${PINNED.file}) and run: npx polycom tf-link --tensorflow <file.whl>`,
  });
}

/** Python's own zip reader, because it is there wherever pip is, and checks each file's CRC. */
const EXTRACT = `
import fnmatch, os, shutil, sys, zipfile
wheel, folder, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.endswith('/') or '..' in name or not any(fnmatch.fnmatchcase(name, w) for w in wanted):
            continue
        inside = name.split('/', 1)[1]
        path = os.path.join(folder, inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(name) as source, open(path, 'wb') as target:
            shutil.copyfileobj(source, target, 1 << 20)
`;

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

async function extract(wheel: string, folder: string): Promise<void> {
  const result = await runCommand('python3', ['-c', EXTRACT, wheel, folder, ...WANTED]);
  if (result.missing) throw noPython();
  if (result.status === 0 && hasLibraries(folder)) return;
  const why = result.status === 0 ? `it holds no ${LIBRARIES.join(' and ')}` : lastLines(result, 3);
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `cannot use the wheel ${basename(wheel)}: ${why}`, {
    remedy:
      'give a complete TensorFlow wheel for Linux, 2.12 or newer, and leave 1.2 GB free in the cache (POLYCOM_CACHE)',
  });
}

/** Drops the libraries' debugging symbols when `strip` can and the result still loads; says whether it did. */
async function strip(folder: string, say: Progress): Promise<boolean> {
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

async function checkSpace(): Promise<void> {
  const root = cacheDirectory('tensorflow');
  makeFolder(root);
  const { bavail, bsize } = await statfs(root);
  if (bavail * bsize >= BYTES_NEEDED) return;
  throw new PolycomError('TENSORFLOW_NOT_FOUND', `no room for TensorFlow in ${root}`, {
    remedy: 'free 1.2 GB there, or name a folder with room in POLYCOM_CACHE',
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

function noPython(): PolycomError {
  return new PolycomError(
    'TENSORFLOW_NOT_FOUND',
    'python3 was not found: it fetches and unpacks TensorFlow',
    {
      remedy:
        'install Python 3 with pip (Debian, Ubuntu: apt install python3-pip), or name a folder with the ' +
        'libraries: npx polycom tf-link --tensorflow <folder>',
    },
  );
}

function noPip(): PolycomError {
  return new PolycomError('TENSORFLOW_NOT_FOUND', 'python3 has no pip', {
    remedy: 'apt install python3-pip, or: python3 -m ensurepip --user',
  });
}
