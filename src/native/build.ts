import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { lastLines, runCommand } from '../command.js';
import { PolycomError } from '../errors.js';
import { packageFolder } from '../package.js';
import { addonFile, builtLibraryFolder, libraryFile } from './find.js';
import { holdingLock } from './lock.js';

/** What building the native library may be told. */
export interface BuildOptions {
  /** `auto` (where nvcc is found, the default), `on` (an error without nvcc), `off`, or the tests' `emulated`. */
  readonly cuda?: 'auto' | 'on' | 'off' | 'emulated' | undefined;
  /**
   * CUDA architectures as CMake names them: `90-real`, `80-real;90-real;100`. By default `CUDAARCHS`, or `all`: those
   * that CMakeLists.txt lists.
   */
  readonly architectures?: string | undefined;
  /** The folder for CMake's files and, in `Release`, the library and the addon: one in the user's cache by default. */
  readonly folder?: string | undefined;
  /** Called before compiling, when there is something to compile. */
  readonly onStart?: (() => void) | undefined;
  /** Called with what CMake and the compilers print. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

/** What {@link buildNative} did. */
export interface BuildResult {
  readonly library: string;
  readonly action: 'built' | 'up to date';
  readonly seconds: number;
}

/**
 * Compiles the native library, and the addon beside it, from this package's sources with cmake-js, unless that has
 * been done. Builds in one folder wait for each other.
 *
 * @throws {PolycomError} `BUILD_FAILED`, naming the missing tool or showing the compiler's last lines
 */
export async function buildNative(options: BuildOptions = {}): Promise<BuildResult> {
  const start = performance.now();
  const folder = options.folder ?? join(builtLibraryFolder(), 'build');
  mkdirSync(dirname(folder), { recursive: true });
  const action = await holdingLock(`${folder}.lock`, () => buildIn(folder, options));
  const library = join(outputFolder(folder, options), libraryFile);
  return { library, action, seconds: (performance.now() - start) / 1000 };
}

/** Where library and addon end up: out of CMake's own folder in the user's cache, where they may be in use. */
function outputFolder(folder: string, options: BuildOptions): string {
  return options.folder === undefined ? builtLibraryFolder() : join(folder, 'Release');
}

async function buildIn(folder: string, options: BuildOptions): Promise<BuildResult['action']> {
  const output = outputFolder(folder, options);
  const products = [libraryFile, addonFile];
  const flags = cmakeFlags(options);
  const sources = sourcesDigest(
    options.cuda === 'emulated' ? ['native', 'test/native/emulator'] : ['native'],
  );
  const stamp = join(folder, 'polycom-build.json');
  const before = readStamp(stamp);
  const sameFlags = before?.flags === flags.join(' ');
  const complete = products.every((file) => existsSync(join(output, file)));
  if (sameFlags && before.sources === sources && complete) return 'up to date';
  await checkTools();
  options.onStart?.();
  // cmake-js configures once and then ignores changed options: those need its `rebuild`.
  await runCmake(sameFlags ? 'compile' : 'rebuild', folder, flags, options.onOutput);
  for (const file of products) {
    const built = join(folder, 'Release', file);
    if (built !== join(output, file)) replaceFile(built, join(output, file));
  }
  writeFileSync(stamp, JSON.stringify({ sources, flags: flags.join(' ') }));
  return 'built';
}

function cmakeFlags({
  cuda = 'auto',
  architectures = process.env.CUDAARCHS ?? 'all',
}: BuildOptions): string[] {
  const flags = [`--CDPOLYCOM_CUDA=${cuda.toUpperCase()}`];
  if (architectures !== 'all') flags.push(`--CDCMAKE_CUDA_ARCHITECTURES=${architectures}`);
  return flags;
}

async function runCmake(
  command: string,
  folder: string,
  flags: readonly string[],
  onOutput?: (text: string) => void,
): Promise<void> {
  const cmakeJs = join(
    dirname(createRequire(import.meta.url).resolve('cmake-js/package.json')),
    'bin',
    'cmake-js',
  );
  const jobs = ['--parallel', String(availableParallelism())];
  const args = [cmakeJs, command, '--directory', packageFolder, '--out', folder, ...jobs, ...flags];
  // The flags say what CUDAARCHS said; CMake would take its `all` for more than CMakeLists.txt lists.
  const env = { ...process.env, CUDAARCHS: undefined };
  const result = await runCommand(process.execPath, args, env, onOutput);
  if (result.status === 0) return;
  throw new PolycomError('BUILD_FAILED', `the native library does not compile:\n${lastLines(result, 30)}`, {
    remedy: 'read the first error above; without CUDA: npx polycom build --no-cuda',
  });
}

/** Each tool by the programs that serve for it, and how to get it. */
const TOOLS: readonly { programs: readonly string[]; how: string }[] = [
  { programs: ['cmake'], how: 'cmake (Debian and Ubuntu: apt-get install cmake; or pip install cmake)' },
  {
    programs: [process.env.CXX ?? 'c++'],
    how: 'a C++17 compiler (Debian and Ubuntu: apt-get install g++), or name one in CXX',
  },
  { programs: ['ninja', 'make'], how: 'make (Debian and Ubuntu: apt-get install make) or ninja' },
];

async function checkTools(): Promise<void> {
  const absent: string[] = [];
  for (const { programs, how } of TOOLS) {
    const found = await Promise.all(programs.map((program) => runCommand(program, ['--version'])));
    if (found.every(({ missing }) => missing)) absent.push(how);
  }
  if (absent.length === 0) return;
  throw new PolycomError('BUILD_FAILED', 'a tool that compiles the native library is missing', {
    remedy: `install ${absent.join(', and ')}`,
  });
}

/** A digest of everything that the library is compiled from: the files of these folders, and what steers CMake. */
function sourcesDigest(folders: readonly string[]): string {
  const sources = folders
    .flatMap((folder) => readdirSync(join(packageFolder, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const digest = createHash('sha256');
  for (const path of [
    ...sources.sort(),
    join(packageFolder, 'CMakeLists.txt'),
    join(packageFolder, 'package.json'),
  ]) {
    digest.update(path).update(readFileSync(path));
  }
  return digest.digest('hex');
}

function readStamp(path: string): { sources: string; flags: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Through a name of its own, so that a process that has the old file open keeps it whole. */
function replaceFile(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const aside = `${to}.${process.pid}`;
  copyFileSync(from, aside);
  renameSync(aside, to);
}
