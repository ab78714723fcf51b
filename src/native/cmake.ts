import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { type CommandResult, lastLines, runCommand } from '../common/command.js';
import { PolycomError } from '../common/errors.js';
import { packageFolder, requireHere } from '../common/package.js';
import { compilerCommand, findTools } from './tools.js';

/** Whether CMake took the CUDA kernels in, and for which architectures. */
export interface CudaChoice {
  readonly found: boolean;
  readonly architectures: string;
  /** Why it did not, where it was tried. */
  readonly failure?: CudaFailure;
}

/** Why the CUDA kernels were left out, and what to do about it. */
export interface CudaFailure {
  readonly reason: string;
  readonly remedy: string;
}

/** The oldest CMake that CMakeLists.txt is written for, and the oldest compilers that the sources are. */
const OLDEST_CMAKE = [3, 22];
const OLDEST_COMPILERS = [
  { name: 'clang', macro: '__clang_major__', oldest: 14, expected: 'expected clang 14 or newer' },
  { name: 'g++', macro: '__GNUC__', oldest: 11, expected: 'expected g++ 11 or newer' },
] as const;

/**
 * Checks that cmake, a compiler and make (or ninja) are there, and new enough.
 *
 * @throws {PolycomError} `BUILD_FAILED`, naming every one that is missing or too old, and how to get it
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
  const compiler = await oldCompiler();
  for (const { name, version, remedy } of needed) {
    const complaint = name === 'cmake' ? oldCmake(version) : name === 'compiler' ? compiler : undefined;
    if (complaint !== undefined) throw new PolycomError('BUILD_FAILED', complaint, { remedy });
  }
}

function oldCmake(version = ''): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST_CMAKE[0]! || (major === OLDEST_CMAKE[0] && minor >= OLDEST_CMAKE[1]!)) return undefined;
  return `cmake is ${version}; expected ${OLDEST_CMAKE.join('.')} or newer`;
}

/** A complaint about the compiler, if it is a g++ or a clang that is too old. Its name does not say that: `c++`. */
async function oldCompiler(): Promise<string | undefined> {
  const [program, ...args] = compilerCommand();
  const { stdout } = await runCommand(program, [...args, '-dM', '-E', '-x', 'c++', '/dev/null']);
  for (const { name, macro, oldest, expected } of OLDEST_COMPILERS) {
    const version = Number(new RegExp(`^#define ${macro} (\\d+)`, 'm').exec(stdout)?.[1] ?? NaN);
    if (Number.isNaN(version)) continue;
    const command = [program, ...args].join(' ');
    if (version < oldest) return `${command} is ${name} ${version}; ${expected}`;
    return undefined;
  }
  return undefined;
}

/** What {@link runCmake} may be told. */
interface CmakeRun {
  readonly onOutput?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What to do where it does not compile. */
  readonly remedy: string;
}

/**
 * Runs cmake-js on this package's sources, offline: package.json's `binary` spares it Node's headers. CMake is
 * configured in a folder without its cache only, and ignores flags that have changed since. Nothing is tried twice.
 *
 * @returns what CMake chose as to CUDA
 * @throws {PolycomError} `BUILD_FAILED` with the compiler's first errors
 */
export async function runCmake(
  folder: string,
  flags: readonly string[],
  { onOutput, signal, remedy }: CmakeRun,
): Promise<CudaChoice> {
  const cmakeJs = dirname(requireHere.resolve('cmake-js/package.json'));
  const script = join(cmakeJs, 'bin', 'cmake-js');
  const jobs = ['--parallel', String(availableParallelism())];
  const where = ['--directory', packageFolder, '--out', folder, '--log-level', 'warn'];
  const args = [script, 'build', ...where, ...jobs, ...flags];
  // The flags say what CUDAARCHS said; CMake would take its `all` for more than CMakeLists.txt lists.
  const env = { ...process.env, CUDAARCHS: undefined, NINJA_STATUS: undefined };
  const result = await runCommand(process.execPath, args, env, onOutput, signal);
  signal?.throwIfAborted();
  if (result.status === 0) return cudaChoice(folder);
  const errors = firstErrors(result);
  throw new PolycomError('BUILD_FAILED', `the native library does not compile:\n${errors}`, {
    remedy: nvccRemedy(errors) ?? remedy,
  });
}

/** What helps where nvcc itself refuses. */
function nvccRemedy(errors: string): string | undefined {
  if (/unsupported gpu architecture/i.test(errors)) {
    return 'name architectures that this nvcc knows (nvcc --list-gpu-arch): npx polycom build --architectures 90-real';
  }
  if (/unsupported (GNU|clang|compiler) ?version|unsupported .*host compiler/i.test(errors)) {
    return 'name a host compiler that this nvcc takes: CUDAHOSTCXX=g++-12 npx polycom build';
  }
  return undefined;
}

/** The first lines that speak of an error, or the last ones. */
function firstErrors(result: CommandResult): string {
  const lines = `${result.stderr}\n${result.stdout}`.split('\n').filter((line) => line.trim() !== '');
  const first = lines.findIndex((line) => /\berror\b.*:|CMake Error|nvcc fatal/.test(line));
  return first < 0 ? lastLines(result, LINES) : lines.slice(first, first + LINES).join('\n');
}

const LINES = 30;

/** The line of an error message of {@link runCmake} that says most, on what nvcc or CMake refused. */
export function tellingLine(message: string): string {
  const lines = message
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
  return lines.find((line) => /nvcc fatal|\berror\b.*: /i.test(line)) ?? lines[0] ?? message;
}

/** What CMakeLists.txt left in CMake's cache, by this run or an earlier one. */
function cudaChoice(folder: string): CudaChoice {
  const cache = readFileSync(join(folder, 'CMakeCache.txt'), 'utf8');
  const value = (name: string): string => new RegExp(`^${name}:INTERNAL=(.*)$`, 'm').exec(cache)?.[1] ?? '';
  const found = value('POLYCOM_CUDA_FOUND') === 'ON';
  return { found, architectures: found ? value('POLYCOM_CUDA_FOR') : '' };
}
