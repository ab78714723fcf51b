import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PolycomError } from '../../common/errors.js';
import { downloadWheel, unpackInto } from './pip.js';
import type { OnLine } from './types.js';

/** The TensorFlow that is fetched for a GPU. Its NVIDIA libraries are those that it names itself. */
export const CUDA_PINNED = {
  requirement: 'tensorflow==2.21.0',
  version: '2.21.0',
  /** About what is fetched, and what lies in the cache then: they differ from release to release of CUDA. */
  gigabytes: { fetched: 3, kept: 6 },
} as const;

/** The requirements that TensorFlow's metadata has for a GPU: `nvidia-cublas-cu12<13.0,>=12.5.3.2`. */
export function nvidiaRequirements(metadata: string): string[] {
  return [...metadata.matchAll(/^Requires-Dist: (nvidia[^;\n]*);(.*)$/gm)]
    .filter(([, , marker]) => /extra *== *['"]and-cuda['"]/.test(marker!))
    .map(([, requirement]) => requirement!.replace(/[\s()]/g, ''));
}

/** What of NVIDIA's wheels TensorFlow loads or runs: no headers, no static libraries. */
const NVIDIA_WANTED: readonly string[] = ['nvidia/*/lib/*.so*', 'nvidia/*/bin/*', 'nvidia/*/nvvm/*'];

/**
 * Fetches the NVIDIA libraries that an unpacked TensorFlow names, one after the other, into `nvidia` beside it.
 *
 * @param site the folder that lies like a site-packages: `tensorflow` is in it
 */
export async function fetchNvidia(site: string, say: OnLine): Promise<void> {
  const metadata = await readFile(join(site, 'tensorflow', 'METADATA'), 'utf8');
  const requirements = nvidiaRequirements(metadata);
  if (requirements.length === 0) {
    throw new PolycomError('TENSORFLOW_NOT_FOUND', 'this TensorFlow names no NVIDIA libraries', {
      remedy: "give a wheel of the package 'tensorflow', 2.14 or newer: tensorflow-cpu has no CUDA",
    });
  }
  for (const [i, requirement] of requirements.entries()) {
    say(`fetching ${i + 1} of ${requirements.length}: ${requirement}`);
    const downloads = await mkdtemp(join(site, 'download-'));
    const wheel = await downloadWheel(requirement, downloads);
    const { status, stderr } = await unpackInto(wheel, site, NVIDIA_WANTED, 0);
    if (status !== 0) throw notUnpacked(requirement, stderr.trim().split('\n').at(-1)!);
    await rm(downloads, { recursive: true });
  }
  const folders = await readdir(join(site, 'nvidia')).catch(() => []);
  if (folders.length > 0) return;
  throw new PolycomError('TENSORFLOW_NOT_FOUND', "pip's NVIDIA packages hold no libraries", {
    remedy: "pip install 'tensorflow[and-cuda]', then npx polycom tf-link --tensorflow <site-packages>",
  });
}

function notUnpacked(requirement: string, why: string): PolycomError {
  return new PolycomError('TENSORFLOW_NOT_FOUND', `cannot unpack ${requirement}: ${why}`, {
    remedy: `leave ${CUDA_PINNED.gigabytes.kept} GB free in the cache (POLYCOM_CACHE)`,
  });
}
