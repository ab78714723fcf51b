import { existsSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { PolycomError } from '../common/errors.js';
import { makeFolder } from '../common/folder.js';
import { holdingLock } from '../common/lock.js';
import { packageVersion } from '../common/package.js';
import { distrust, readStored, store } from '../common/store.js';
import { aboutSeconds, type BuildProgress, estimatedSeconds, followBuild } from './build-progress.js';
import { type CudaChoice, type CudaFailure, checkTools, runCmake, tellingLine } from './cmake.js';
import { addonFile, builtLibraryFolder, libraryFile } from './find.js';
import { clearObjects, isConfigured, withObjects } from './objects.js';
import { type Recipe, recipeOf, sameRecipe, sameSettings, withoutCuda } from './recipe.js';
import { readStamp, type StoredBuild, writeStamp } from './stamp.js';

/** What building the native library may be told. */
export interface BuildOptions {
  /**
   * `auto` (where nvcc is found, and compiles them: the default), `on` (else an error), `off`, or the tests' `emulated`.
   */
  readonly cuda?: 'auto' | 'on' | 'off' | 'emulated' | undefined;
  /**
   * CUDA architectures as CMake names them: `90-real`, `80-real;90-real;100`, or `all` that there are kernels for and
   * the toolkit knows. By default `CUDAARCHS`, else those of this machine's GPUs, else `all`.
   */
  readonly architectures?: string | undefined;
  /** Whether a compiler's warning is an error: as for CI, whose compilers are known. */
  readonly strict?: boolean | undefined;
  /** The folder for CMake's files and, in `Release`, the library and the addon: one in the user's cache by default. */
  readonly folder?: string | undefined;
  /** Ends the compilers. What they have made is kept, and the next build of the same goes on from there. */
  readonly signal?: AbortSignal | undefined;
  /** Called before compiling, when there is something to compile, with a line that says what and how long it takes. */
  readonly onStart?: ((line: string) => void) | undefined;
  /** Called for each file that has been compiled. */
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
  /** Called with what CMake and the compilers print. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

/** What {@link buildNative} did. */
export interface BuildResult {
  readonly library: string;
  readonly action: 'built' | 'up to date';
  /** Whether it holds CUDA kernels, and for which architectures; or why not. */
  readonly cuda?: CudaChoice;
  /** The nvcc that was found, if one was looked for: `/usr/local/bin/nvcc 13.0.88`. */
  readonly nvcc?: string;
  readonly seconds: number;
}

/**
 * Compiles the native library, and the addon beside it, from this package's sources with cmake-js, unless that has
 * been done. A build that was broken off goes on where it was.
 *
 * @throws {PolycomError} `BUILD_FAILED`, naming the missing tools or showing the compiler's first errors; `FILE_ERROR`
 *   where the system refuses to write
 */
export async function buildNative(options: BuildOptions = {}): Promise<BuildResult> {
  const start = performance.now();
  const recipe = await recipeOf(options);
  const build = options.folder === undefined ? buildInCache : buildInFolder;
  const made = await build(recipe, options);
  const { nvcc } = recipe;
  const seconds = (performance.now() - start) / 1000;
  return { ...made, ...(nvcc === '' ? {} : { nvcc }), seconds };
}

const PRODUCTS: readonly string[] = [libraryFile, addonFile];

type Made = Pick<BuildResult, 'library' | 'action' | 'cuda'>;

/** Compiles in a folder of the recipe's own and moves the result into place: others may build at the same time. */
async function buildInCache(recipe: Recipe, options: BuildOptions): Promise<Made> {
  const folder = builtLibraryFolder();
  const library = join(folder, libraryFile);
  const current = async (): Promise<Made | undefined> => {
    const found = await readStored<StoredBuild>(folder);
    if (found === undefined || !sameRecipe(found.about.recipe, recipe)) return undefined;
    return { library, action: 'up to date', ...pickCuda(found.about.cuda) };
  };
  const compileAndStore = async (objects: string): Promise<Made> => {
    // Another process may have built it while this one waited.
    const already = await current();
    if (already !== undefined) return already;
    const cuda = await compileIn(objects, folder, recipe, options);
    const fill = async (aside: string): Promise<StoredBuild> => {
      for (const file of PRODUCTS) await copyFile(join(objects, 'Release', file), join(aside, file));
      const present = await readStored<StoredBuild>(folder);
      if (present !== undefined && !sameRecipe(present.about.recipe, recipe)) await distrust(folder);
      return { recipe, cuda };
    };
    const { about } = await store(folder, fill);
    return { library, action: 'built', ...pickCuda(about.cuda) };
  };
  const before = await current();
  if (before !== undefined) return before;
  return withObjects(dirname(folder), recipe, compileAndStore);
}

/** Compiles what has changed since the last time, in a folder that is kept. Builds in it wait for each other. */
function buildInFolder(recipe: Recipe, options: BuildOptions): Promise<Made> {
  const folder = options.folder!;
  makeFolder(dirname(folder));
  return holdingLock(`${folder}.lock`, async () => {
    const library = join(folder, 'Release', libraryFile);
    const before = readStamp(folder);
    const complete = PRODUCTS.every((file) => existsSync(join(folder, 'Release', file)));
    if (before !== undefined && sameRecipe(before, recipe) && complete) {
      return { library, action: 'up to date', ...pickCuda(before.cuda) };
    }
    return { library, action: 'built', cuda: await compileIn(folder, folder, recipe, options) };
  });
}

/**
 * Compiles in a folder what is not compiled there yet.
 *
 * @param target where the result is said to go
 */
async function compileIn(
  folder: string,
  target: string,
  recipe: Recipe,
  options: BuildOptions,
): Promise<CudaChoice> {
  await checkTools();
  const before = readStamp(folder);
  const goesOn = before !== undefined && sameSettings(before, recipe) && !before.cuda?.failure;
  const kept = goesOn && isConfigured(folder);
  options.onStart?.(startLine(recipe, target, kept));
  if (!kept) {
    // CMake configures once and then ignores what has changed since.
    await clearObjects(folder);
    makeFolder(folder);
  }
  writeStamp(folder, { ...recipe, sources: '' });
  let compiled = 0;
  const follow = followBuild((progress) => {
    compiled++;
    options.onProgress?.(progress);
  });
  const onOutput = (text: string): void => {
    follow(text);
    options.onOutput?.(text);
  };
  try {
    const cuda = await compileWith(folder, recipe, options, onOutput);
    writeStamp(folder, { ...recipe, cuda });
    return cuda;
  } catch (error) {
    // What a killed compiler left may be what fails: the next build begins anew.
    if (kept && compiled === 0 && !options.signal?.aborted) await clearObjects(folder);
    throw error;
  }
}

/** Runs CMake, and where that fails with CUDA kernels that nobody insists on, once more without them. */
async function compileWith(
  folder: string,
  recipe: Recipe,
  options: BuildOptions,
  onOutput: (text: string) => void,
): Promise<CudaChoice> {
  const { signal, cuda = 'auto' } = options;
  const run = (of: Recipe): Promise<CudaChoice> =>
    runCmake(folder, of.flags.split(' '), { onOutput, signal, remedy: remedyOf(of, options) });
  try {
    return await run(recipe);
  } catch (error) {
    const optional = cuda === 'auto' && recipe.nvcc !== '' && !signal?.aborted;
    if (!optional || !(error instanceof PolycomError)) throw error;
    const failure = failureOf(error, recipe);
    options.onStart?.(
      `the CUDA kernels do not compile: ${failure.reason}; the CPU kernels go on without them`,
    );
    // Before: whoever is broken off from here on begins anew, with CUDA.
    writeStamp(folder, { ...recipe, sources: '', cuda: { ...NO_CUDA, failure } });
    // CMake configures anew, and keeps the objects.
    await rm(join(folder, 'CMakeCache.txt'), { force: true });
    return { ...(await run(withoutCuda(recipe))), failure };
  }
}

const NO_CUDA: CudaChoice = { found: false, architectures: '' };

function failureOf(error: PolycomError, { nvcc }: Recipe): CudaFailure {
  const again = 'npx polycom build --require-cuda shows all that it says';
  const general = error.remedy === undefined || error.remedy.includes('--no-cuda');
  return { reason: `${nvcc}: ${tellingLine(error.message)}`, remedy: general ? again : error.remedy! };
}

function startLine({ nvcc, target }: Recipe, into: string, goesOn: boolean): string {
  const kernels =
    target === undefined
      ? 'CPU kernels'
      : `CPU kernels, and CUDA kernels for ${target.architectures} with ${nvcc}`;
  const time = aboutSeconds(estimatedSeconds(target?.architectures));
  const cpus = availableParallelism();
  const long = `${time} on ${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}`;
  const when = goesOn ? `what is compiled already is kept; the whole takes ${long}` : long;
  return `compiling libpolycom ${packageVersion} (${kernels}) into ${into}: ${when}`;
}

/** What to do where it does not compile: never what was asked for already. */
function remedyOf({ nvcc }: Recipe, { cuda }: BuildOptions): string {
  if (nvcc !== '') return 'read the first error above; without CUDA: npx polycom build --no-cuda';
  if (cuda === 'on')
    return 'install the CUDA toolkit, or name its nvcc in CUDACXX, or its folder in CUDA_PATH';
  return 'read the first error above, or name another compiler in the variable CXX';
}

function pickCuda(cuda: CudaChoice | undefined): { cuda?: CudaChoice } {
  return cuda === undefined ? {} : { cuda };
}
