import type { Command } from 'commander';
import { buildNative } from '../native/build.js';

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
    .option('--require-cuda', 'fail where nvcc is not found')
    .option('--architectures <list>', "CUDA architectures as CMake names them, such as '80-real;90-real'")
    .addHelpText(
      'after',
      '\nNeeds cmake, make and a C++17 compiler; nvcc (PATH, CUDACXX or CUDA_PATH) adds CUDA.',
    )
    .action(run);
}

async function run({ cuda, requireCuda, architectures }: BuildCommandOptions): Promise<void> {
  const { library, action, seconds } = await buildNative({
    cuda: requireCuda ? 'on' : cuda ? 'auto' : 'off',
    architectures,
    onOutput: (text) => void process.stderr.write(text),
  });
  process.stdout.write(
    action === 'built' ? `built ${library} in ${seconds.toFixed(0)} s\n` : `${library} is up to date\n`,
  );
}
