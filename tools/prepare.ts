/**
 * Makes whatever is missing or stale: the native library (one CUDA architecture, where there is an nvcc), dist/, and
 * tfjs-node's TensorFlow. A part that cannot be made here is said, and the rest goes on: the tests and the benchmark
 * cope without it.
 *
 *   --no-tensorflow       leave tfjs-node alone
 *   --all-architectures   every CUDA architecture of CMakeLists.txt
 *   --native              only the native library; its failure is an error
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PolycomError } from '../src/errors.js';
import { buildNative } from '../src/native/build.js';
import { packageFolder } from '../src/package.js';
import { linkTensorflow } from '../src/tensorflow/link/index.js';
import { localArchitecture } from './architecture.js';

/** What is compiled for where there is no GPU. */
const HOPPER = '90-real';

const { values: options } = parseArgs({
  options: {
    'no-tensorflow': { type: 'boolean', default: false },
    'all-architectures': { type: 'boolean', default: false },
    native: { type: 'boolean', default: false },
  },
});

const say = (text: string): void => void process.stderr.write(`prepare: ${text}\n`);

await attempt('no native library, so ops run as compositions', buildLibrary);
if (!options.native) {
  compileTypeScript();
  if (!options['no-tensorflow']) await attempt('no TensorFlow, so its tests are skipped', link);
}

async function attempt(consequence: string, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof PolycomError)) throw error;
    say(`${error.message}\nprepare: ${consequence}`);
    if (options.native) process.exitCode = 1;
  }
}

async function buildLibrary(): Promise<void> {
  const { action, library, seconds } = await buildNative({
    folder: join(packageFolder, 'build'),
    architectures: options['all-architectures']
      ? 'all'
      : (process.env.CUDAARCHS ?? localArchitecture() ?? HOPPER),
    strict: process.env.CI !== undefined,
    onStart: () => say('compiling the native library'),
    ...(options.native ? { onOutput: (text: string) => void process.stderr.write(text) } : {}),
  });
  if (action === 'built') say(`${library} in ${seconds.toFixed(0)} s`);
}

function compileTypeScript(): void {
  const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  execFileSync(process.execPath, [tsc, '-p', join(packageFolder, 'tsconfig.build.json')], {
    stdio: 'inherit',
  });
}

async function link(): Promise<void> {
  await linkTensorflow({ projectFolder: packageFolder, check: true, onProgress: say });
}
