import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../common/package.js';
import { type CudaTarget, cudaTarget } from './architectures.js';
import type { BuildOptions } from './build.js';
import { compilerCommand, findTool } from './tools.js';

/** Everything that a build depends on. */
export interface Recipe {
  readonly sources: string;
  /** What cmake-js is told, in words without blanks. */
  readonly flags: string;
  /** The nvcc that compiles the CUDA kernels, and for which architectures; none where none is wanted or found. */
  readonly nvcc: string;
  readonly target?: CudaTarget;
  readonly compiler: string;
}

/** The recipe that these options, this environment and the sources make. */
export async function recipeOf(options: BuildOptions): Promise<Recipe> {
  const { cuda = 'auto' } = options;
  const folders = cuda === 'emulated' ? ['native', 'test/native/emulator'] : ['native'];
  // An nvcc that comes, goes or changes makes another library.
  const nvcc = cuda === 'auto' || cuda === 'on' ? await nvccFound() : '';
  const chosen = cuda === 'auto' && nvcc === '' ? 'off' : cuda;
  const target = nvcc === '' ? undefined : await cudaTarget(options.architectures);
  return {
    sources: sourcesDigest(folders),
    flags: flagsOf({ ...options, cuda: chosen }, target).join(' '),
    nvcc,
    ...(target === undefined ? {} : { target }),
    compiler: [...compilerCommand(), process.env.CUDAHOSTCXX ?? ''].join(' ').trim(),
  };
}

/** Whether both make the same library. */
export function sameRecipe(a: Recipe, b: Recipe): boolean {
  return a.sources === b.sources && sameSettings(a, b);
}

/** Whether CMake would be configured alike for both. */
export function sameSettings(a: Recipe, b: Recipe): boolean {
  return a.flags === b.flags && a.nvcc === b.nvcc && a.compiler === b.compiler;
}

/** What cmake-js is told of the options. Warnings are errors for those alone who ask: never where a user builds. */
function flagsOf({ cuda = 'auto', strict = false }: BuildOptions, target: CudaTarget | undefined): string[] {
  const flags = [`--CDPOLYCOM_CUDA=${cuda.toUpperCase()}`];
  if (strict) flags.push('--CDPOLYCOM_WERROR=ON');
  if (target?.gpus !== undefined) flags.push(`--CDPOLYCOM_GPUS=${target.gpus}`);
  else if (target !== undefined && target.architectures !== 'all')
    flags.push(`--CDCMAKE_CUDA_ARCHITECTURES=${target.architectures}`);
  return flags;
}

/** The same without the CUDA kernels. */
export function withoutCuda({ target, ...recipe }: Recipe): Recipe {
  return { ...recipe, nvcc: '', flags: recipe.flags.replace(/(?<=--CDPOLYCOM_CUDA=)\w+/, 'OFF') };
}

async function nvccFound(): Promise<string> {
  const { program, version = '' } = await findTool('nvcc');
  return program === undefined ? '' : `${program} ${version}`.trim();
}

/**
 * A digest of everything that the library is compiled from: the files of these folders, and what steers CMake. A
 * changed dependency or script in package.json compiles nothing anew.
 */
function sourcesDigest(folders: readonly string[]): string {
  const sources = folders.flatMap((folder) =>
    readdirSync(join(packageFolder, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(packageFolder.length)),
  );
  const digest = createHash('sha256');
  for (const path of [...sources.sort(), 'CMakeLists.txt']) {
    digest.update(path).update(readFileSync(join(packageFolder, path)));
  }
  return digest.update(builtFrom(readFileSync(join(packageFolder, 'package.json'), 'utf8'))).digest('hex');
}

/** The part of a package.json that a build reads: its version goes into the library, `binary` steers cmake-js. */
export function builtFrom(packageJson: string): string {
  const { version, binary } = JSON.parse(packageJson);
  return JSON.stringify({ version, binary });
}
