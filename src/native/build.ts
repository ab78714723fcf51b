import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { makeFolder } from '../folder.js';
import { holdingLock } from '../lock.js';
import { packageVersion } from '../package.js';
import { distrust, readStored, store } from '../store.js';
import { aboutSeconds, type BuildProgress, estimatedSeconds, followBuild } from './build-progress.js';
import { type CudaChoice, checkTools, runCmake } from './cmake.js';
import { addonFile, builtLibraryFolder, libraryFile } from './find.js';
import { clearObjects, isConfigured, withObjects } from './objects.js';
import { architecturesOf, flagsOf, type Recipe, recipeOf, sameRecipe, sameSettings } from './recipe.js';

/** What building the native library may be told. */
export interface BuildOptions {
  /** `auto` (where nvcc is found, the default), `on` (an error without nvcc), `off`, or the tests' `emulated`. */
  readonly cuda?: 'auto' | 'on' | 'off' | 'emulated' | undefined;
  /**
   * CUDA architectures as CMake names them: `90-real`, `80-real;90-real;100`. By default `CUDAARCHS`, or `all`: those
   * that CMakeLists.txt lists.
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
  /** Whether it holds CUDA kernels, and for which architectures; unknown where a kept folder was up to date. */
  readonly cuda?: CudaChoice;
  /** The nvcc that was found, if one was looked for: `/usr/local/bin/nvcc 13.0.88`. */
  readonly nvcc?: string;
  readonly seconds: number;
}

/** What the manifest of a library in the cache says. */
interface StoredBuild {
  readonly recipe: Recipe;
  readonly cuda?: CudaChoice;
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
      return { library, action: 'up to date' };
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
  const goesOn = before !== undefined && sameSettings(before, recipe) && isConfigured(folder);
  options.onStart?.(startLine(recipe, options, target, goesOn));
  if (!goesOn) {
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
    const choice = await runCmake(folder, flagsOf(options), {
      onOutput,
      signal: options.signal,
      remedy: remedyOf(recipe, options),
    });
    writeStamp(folder, recipe);
    return choice;
  } catch (error) {
    // What a killed compiler left may be what fails: the next build begins anew.
    if (goesOn && compiled === 0 && !options.signal?.aborted) await clearObjects(folder);
    throw error;
  }
}

function startLine(recipe: Recipe, options: BuildOptions, target: string, goesOn: boolean): string {
  const { nvcc } = recipe;
  const kernels = nvcc === '' ? 'CPU kernels' : `CPU kernels, and CUDA kernels with ${nvcc}`;
  const time = aboutSeconds(estimatedSeconds(nvcc === '' ? undefined : architecturesOf(options)));
  const cpus = availableParallelism();
  const long = `${time} on ${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}`;
  const when = goesOn ? `what is compiled already is kept; the whole takes ${long}` : long;
  return `compiling libpolycom ${packageVersion} (${kernels}) into ${target}: ${when}`;
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

const STAMP = 'polycom-build.json';

/** What a folder is configured for; its sources are those of the last build that came to its end. */
function readStamp(folder: string): Recipe | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, STAMP), 'utf8'));
  } catch {
    return undefined;
  }
}

function writeStamp(folder: string, recipe: Recipe): void {
  writeFileSync(join(folder, STAMP), JSON.stringify(recipe));
}
