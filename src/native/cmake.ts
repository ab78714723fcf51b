import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { lastLines, runCommand } from '../command.js';
import { PolycomError } from '../errors.js';
import { packageFolder, requireHere } from '../package.js';
import { findTools } from './tools.js';

/** Whether CMake took the CUDA kernels in, and for which architectures. */
export interface CudaChoice {
  readonly found: boolean;
  readonly architectures: string;
}

/** The oldest CMake that CMakeLists.txt is written for. */
const OLDEST_CMAKE = [3, 22];

/**
 * Checks that cmake, a compiler and make (or ninja) are there.
 *
 * @throws {PolycomError} `BUILD_FAILED`, naming every one that is missing, and how to get it
 */
export async function checkTools(): Promise<void> {
  const tools = await findTools();
  const needed = tools.filter(({ name }) => name === 'cmake' || name === 'compiler' || name === 'make');
  const missing = needed.filter(({ program }) => program === undefined);
  if (missing.length > 0) {
    throw new PolycomError(
      'BUILD_FAILED',
      `what compiles the native library is missing: ${missing.map(({ name }) => name).join(', ')}`,
      { remedy: missing.map(({ remedy }) => remedy).join('; ') },
    );
  }
  const cmake = tools.find(({ name }) => name === 'cmake')!;
  const [major = 0, minor = 0] = (cmake.version ?? '').split('.').map(Number);
  if (major > OLDEST_CMAKE[0]! || (major === OLDEST_CMAKE[0] && minor >= OLDEST_CMAKE[1]!)) return;
  throw new PolycomError(
    'BUILD_FAILED',
    `cmake is ${cmake.version}; expected ${OLDEST_CMAKE.join('.')} or newer`,
    { remedy: cmake.remedy },
  );
}

/**
 * Runs cmake-js on this package's sources, offline: package.json's `binary` spares it Node's headers.
 *
 * @param command `rebuild` configures first; `compile` does so only in an empty folder, and ignores changed flags
 * @returns what CMake chose as to CUDA
 * @throws {PolycomError} `BUILD_FAILED` with the compiler's last lines
 */
export async function runCmake(
  command: 'compile' | 'rebuild',
  folder: string,
  flags: readonly string[],
  onOutput?: (text: string) => void,
): Promise<CudaChoice> {
  const cmakeJs = dirname(requireHere.resolve('cmake-js/package.json'));
  const script = join(cmakeJs, 'bin', 'cmake-js');
  const jobs = ['--parallel', String(availableParallelism())];
  const where = ['--directory', packageFolder, '--out', folder, '--log-level', 'warn'];
  const args = [script, command, ...where, ...jobs, ...flags];
  // The flags say what CUDAARCHS said; CMake would take its `all` for more than CMakeLists.txt lists.
  const env = { ...process.env, CUDAARCHS: undefined };
  const result = await runCommand(process.execPath, args, env, onOutput);
  if (result.status === 0) return cudaChoice(folder);
  throw new PolycomError('BUILD_FAILED', `the native library does not compile:\n${lastLines(result, 30)}`, {
    remedy: 'read the first error above; without CUDA: npx polycom build --no-cuda',
  });
}

/** What CMakeLists.txt left in CMake's cache, by this run or an earlier one. */
function cudaChoice(folder: string): CudaChoice {
  const cache = readFileSync(join(folder, 'CMakeCache.txt'), 'utf8');
  const value = (name: string): string => new RegExp(`^${name}:INTERNAL=(.*)$`, 'm').exec(cache)?.[1] ?? '';
  const found = value('POLYCOM_CUDA_FOUND') === 'ON';
  return { found, architectures: found ? value('POLYCOM_CUDA_FOR') : '' };
}
