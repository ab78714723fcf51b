import { existsSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { runCommand } from '../../common/command.js';
import { cacheDirectory } from '../../common/user-cache.js';
import { findGpus } from '../../native/gpus.js';
import { LIBRARIES, loadLibraries } from './folder.js';
import { resolvePackages } from './packages.js';
import { missingCudaFolders, runpathOf } from './runpath.js';
import type { FindOptions, OnLine } from './types.js';

/** What is known of a GPU that TensorFlow could use. */
export interface WantedGpu {
  /** Whether a TensorFlow with CUDA goes before one without: a GPU is here, or asked for, or tfjs-node-gpu installed. */
  readonly wanted: boolean;
  /** The first GPU in sight. */
  readonly name?: string;
}

/** Looks for a GPU, and for signs that one is to be used. */
export async function wantedGpu({ gpu, projectFolder }: FindOptions): Promise<WantedGpu> {
  const [first] = (await findGpus()).gpus;
  const packages = resolvePackages(projectFolder ?? process.cwd());
  const wanted = gpu === true || first !== undefined || packages.some(({ name }) => name.endsWith('-gpu'));
  return { wanted, ...(first === undefined ? {} : { name: first.name }) };
}

/**
 * Whether a TensorFlow was built with CUDA. pip's wheels name NVIDIA's folders in their libraries.
 *
 * @param ask whether to load one that does not, and ask it: that takes a second
 */
export async function isCudaBuild(libraryFolder: string, ask: boolean): Promise<boolean> {
  if (namesCuda(libraryFolder)) return true;
  if (!ask) return false;
  const { status, stdout } = await loadLibraries(libraryFolder);
  return status === 0 && stdout.trim().split('\n')[1] === 'true';
}

/** Whether a TensorFlow's libraries look for NVIDIA's beside themselves. */
export function namesCuda(libraryFolder: string): boolean {
  const entries = LIBRARIES.flatMap((name) => runpathOf(join(libraryFolder, name)));
  return entries.some((entry) => entry.includes('/nvidia/'));
}

const WHERE = `
import importlib.util
spec = importlib.util.find_spec('nvidia')
print(next(iter(spec.submodule_search_locations or []), '') if spec else '')
`;

/**
 * Puts the NVIDIA libraries of `python3` beside a TensorFlow of our cache that lacks its own, where it looks for them.
 * What is still missing is left to {@link cudaWarning}.
 */
export async function lendCuda(libraryFolder: string, say: OnLine): Promise<void> {
  const missing = missingCudaFolders(libraryFolder);
  if (missing.length === 0 || !isOurs(libraryFolder)) return;
  const { status, stdout } = await runCommand('python3', ['-c', WHERE]);
  const installed = stdout.trim();
  if (status !== 0 || installed === '') return;
  const wanted = join(dirname(libraryFolder), 'nvidia');
  if (!missing.every((folder) => existsSync(join(installed, relative(wanted, folder))))) return;
  await symlink(installed, wanted);
  say(`NVIDIA's libraries are those of python3, in ${installed}`);
}

/** Whether a folder is one of our cache in which libraries lie as in site-packages. */
function isOurs(libraryFolder: string): boolean {
  return basename(libraryFolder) === 'tensorflow' && libraryFolder.startsWith(cacheDirectory('tensorflow'));
}
