import { type Command, Option } from 'commander';
import { type BuildResult, buildNative } from '../native/build.js';
import { StopSignals } from '../train/stop-signals.js';
import { compileProgress } from './compile-progress.js';

interface BuildCommandOptions {
  readonly cuda: boolean;
  readonly requireCuda?: boolean;
  readonly architectures?: string;
}

/** Adds `build`: compile the native library into the user's cache. */
export function registerBuild(program: Command): void {
  program
    .command('build')
    .description("compile the native library from this package's sources into the user's cache")
    .option('--no-cuda', 'without CUDA kernels, even where nvcc is found')
    .addOption(new Option('--require-cuda', 'fail where nvcc is not found').conflicts('cuda'))
    .option(
      '--architectures <list>',
      "CUDA architectures as CMake names them, such as '80-real;90-real', or all",
    )
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
Needs cmake 3.22, g++ 11 or clang 14 or newer (CXX names another than c++), and make or ninja. An nvcc (on PATH, or through
CUDACXX, CUDA_PATH or CUDA_HOME) adds CUDA, for the GPUs that are here, or all architectures where none is or CUDAARCHS
is all. Where the CUDA kernels do not compile, the CPU kernels still do, and the reason is said. It fetches nothing, and
does nothing where the library is up to date.
The cache is POLYCOM_CACHE, else $XDG_CACHE_HOME/polycom, else ~/.cache/polycom.`;

async function run({ cuda, requireCuda, architectures }: BuildCommandOptions): Promise<void> {
  const stop = new StopSignals('what is compiled is kept; the same command goes on from there');
  const shown = compileProgress(process.stderr);
  try {
    const result = await buildNative({
      cuda: requireCuda ? 'on' : cuda ? 'auto' : 'off',
      architectures,
      signal: stop.signal,
      onStart: shown.onStart,
      onProgress: shown.onProgress,
    });
    shown.end();
    report(result, cuda);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.exitCode = stop.exitCode;
  } finally {
    shown.end();
    stop.end();
  }
}

function report(result: BuildResult, cuda: boolean): void {
  process.stdout.write(`${summary(result)}\n${kernels(result, cuda)}\n`);
}

function summary({ library, action, seconds }: BuildResult): string {
  return action === 'built' ? `built ${library} in ${seconds.toFixed(0)} s` : `${library} is up to date`;
}

function kernels({ cuda, nvcc }: BuildResult, wanted: boolean): string {
  if (cuda?.found) return `it holds CPU kernels, and CUDA kernels for ${cuda.architectures}`;
  if (!wanted) return 'it holds CPU kernels';
  if (cuda?.failure !== undefined) {
    const { reason, remedy } = cuda.failure;
    return `it holds CPU kernels alone, as the CUDA kernels do not compile: ${reason}\nremedy: ${remedy}`;
  }
  if (nvcc === undefined)
    return 'it holds CPU kernels alone, as no nvcc was found (PATH, CUDACXX, CUDA_PATH)';
  return `it holds CPU kernels alone: CMake could not use ${nvcc}; to see why: npx polycom build --require-cuda`;
}
