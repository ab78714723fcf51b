import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../folder.js';
import { holdingLock } from '../lock.js';
import { packageFolder, packageVersion } from '../package.js';
import { distrust, readStored, store } from '../store.js';
import { type CudaChoice, checkTools, runCmake } from './cmake.js';
import { addonFile, builtLibraryFolder, libraryFile } from './find.js';
import { findTool } from './tools.js';

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
  /** Called before compiling, when there is something to compile, with a line that says what. */
  readonly onStart?: ((line: string) => void) | undefined;
  /** Called with what CMake and the compilers print. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

/** What {@link buildNative} did. */
export interface BuildResult {
  readonly library: string;
  readonly action: 'built' | 'up to date';
  /** Whether it holds CUDA kernels, and for which architectures; unknown for a build that CMake did not configure. */
  readonly cuda?: CudaChoice;
  /** The nvcc that was found, if one was looked for: `/usr/local/bin/nvcc 13.0.88`. */
  readonly nvcc?: string;
  readonly seconds: number;
}

/** Everything that a build depends on. */
interface Recipe {
  readonly sources: string;
  readonly flags: string;
  readonly nvcc: string;
}

/** What the manifest of a library in the cache says. */
interface StoredBuild {
  readonly recipe: Recipe;
  readonly cuda?: CudaChoice;
}

/**
 * Compiles the native library, and the addon beside it, from this package's sources with cmake-js, unless that has
 * been done.
 *
 * @throws {PolycomError} `BUILD_FAILED`, naming the missing tools or showing the compiler's last lines; `FILE_ERROR`
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

/** Compiles in a folder of its own and moves the result into place: others may build at the same time. */
async function buildInCache(recipe: Recipe, options: BuildOptions): Promise<Made> {
  const folder = builtLibraryFolder();
  const library = join(folder, libraryFile);
  const before = await readStored<StoredBuild>(folder);
  if (before !== undefined && sameRecipe(before.about.recipe, recipe)) {
    return { library, action: 'up to date', ...pickCuda(before.about.cuda) };
  }
  await start(recipe, options, folder);
  const fill = async (aside: string): Promise<StoredBuild> => {
    const objects = join(aside, 'build');
    const cuda = await runCmake('rebuild', objects, flagsOf(options), options.onOutput);
    for (const file of PRODUCTS) await copyFile(join(objects, 'Release', file), join(aside, file));
    await rm(objects, { recursive: true });
    const present = await readStored<StoredBuild>(folder);
    if (present !== undefined && !sameRecipe(present.about.recipe, recipe)) await distrust(folder);
    return { recipe, ...pickCuda(cuda) };
  };
  const { about } = await store(folder, fill);
  return { library, action: 'built', ...pickCuda(about.cuda) };
}

/** Compiles what has changed since the last time, in a folder that is kept. Builds in it wait for each other. */
function buildInFolder(recipe: Recipe, options: BuildOptions): Promise<Made> {
  const folder = options.folder!;
  makeFolder(dirname(folder));
  return holdingLock(`${folder}.lock`, () => compileChanges(folder, recipe, options));
}

async function compileChanges(folder: string, recipe: Recipe, options: BuildOptions): Promise<Made> {
  const library = join(folder, 'Release', libraryFile);
  const stamp = join(folder, 'polycom-build.json');
  const before = readStamp(stamp);
  const complete = PRODUCTS.every((file) => existsSync(join(folder, 'Release', file)));
  if (before !== undefined && sameRecipe(before, recipe) && complete)
    return { library, action: 'up to date' };
  await start(recipe, options, folder);
  // cmake-js configures once and then ignores what has changed since: that needs its `rebuild`.
  const command = before?.flags === recipe.flags && before.nvcc === recipe.nvcc ? 'compile' : 'rebuild';
  const cuda = await runCmake(command, folder, flagsOf(options), options.onOutput);
  writeFileSync(stamp, JSON.stringify(recipe));
  return { library, action: 'built', ...pickCuda(cuda) };
}

async function start({ nvcc }: Recipe, options: BuildOptions, folder: string): Promise<void> {
  await checkTools();
  const kernels = nvcc === '' ? 'CPU kernels' : `CPU kernels, and CUDA kernels with ${nvcc}`;
  options.onStart?.(`compiling libpolycom ${packageVersion} (${kernels}) into ${folder}`);
}

async function recipeOf(options: BuildOptions): Promise<Recipe> {
  const { cuda = 'auto' } = options;
  const folders = cuda === 'emulated' ? ['native', 'test/native/emulator'] : ['native'];
  return {
    sources: sourcesDigest(folders),
    flags: flagsOf(options).join(' '),
    // An nvcc that comes, goes or changes makes another library.
    nvcc: cuda === 'auto' || cuda === 'on' ? await nvccFound() : '',
  };
}

async function nvccFound(): Promise<string> {
  const { program, version = '' } = await findTool('nvcc');
  return program === undefined ? '' : `${program} ${version}`.trim();
}

function flagsOf({
  cuda = 'auto',
  architectures = process.env.CUDAARCHS ?? 'all',
  strict = false,
}: BuildOptions): string[] {
  const flags = [`--CDPOLYCOM_CUDA=${cuda.toUpperCase()}`];
  if (strict) flags.push('--CDPOLYCOM_WERROR=ON');
  if (architectures !== 'all') flags.push(`--CDCMAKE_CUDA_ARCHITECTURES=${architectures}`);
  return flags;
}

function sameRecipe(a: Recipe, b: Recipe): boolean {
  return a.sources === b.sources && a.flags === b.flags && a.nvcc === b.nvcc;
}

function pickCuda(cuda: CudaChoice | undefined): { cuda?: CudaChoice } {
  return cuda === undefined ? {} : { cuda };
}

/**
 * A digest of everything that the library is compiled from: the files of these folders, and what steers CMake. Of
 * package.json that is the version and the Node-API's: a changed dependency or script compiles nothing anew.
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
  const { version, binary } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  return digest.update(JSON.stringify({ version, binary })).digest('hex');
}

function readStamp(path: string): Recipe | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
