/**
 * Makes whatever is missing or stale: the native library (one CUDA architecture, where there is an nvcc), dist/,
 * build/ops.json, and tfjs-node's TensorFlow. In CI, or with --peers, PyTorch and transformers too, for the tests that compare with them. A
 * part that cannot be made here is said, and the rest goes on: the tests and the benchmark cope without it.
 *
 *   --no-tensorflow       leave tfjs-node alone
 *   --peers               PyTorch and transformers, in the user's cache: 1.2 GB, and more where pip has them for a GPU
 *   --all-architectures   every CUDA architecture that there are kernels for
 *   --native              only the native library; its failure is an error
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PolycomError } from '../src/common/errors.js';
import { packageFolder } from '../src/common/package.js';
import { buildNative } from '../src/native/build.js';
import { findGpus } from '../src/native/gpus.js';
import { linkTensorflow } from '../src/tensorflow/link/index.js';
import { writeOps } from './ops.js';
import { installPeers, peersPython } from './python.js';

/** What is compiled for where there is no GPU. */
const HOPPER = '90-real';

const { values: options } = parseArgs({
  options: {
    'no-tensorflow': { type: 'boolean', default: false },
    peers: { type: 'boolean', default: process.env.CI !== undefined },
    'all-architectures': { type: 'boolean', default: false },
    native: { type: 'boolean', default: false },
  },
});

const say = (text: string): void => void process.stderr.write(`prepare: ${text}\n`);

await attempt('no native library, so ops run as compositions', buildLibrary);
if (!options.native) {
  writeOps();
  compileTypeScript();
  if (!options['no-tensorflow']) await attempt('no TensorFlow, so its tests are skipped', link);
  if (options.peers) await attempt('no PyTorch, so the tests beside it are skipped', installPython);
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
    architectures: options['all-architectures'] ? 'all' : await withoutGpu(),
    strict: process.env.CI !== undefined,
    onStart: () => say('compiling the native library'),
    ...(options.native ? { onOutput: (text: string) => void process.stderr.write(text) } : {}),
  });
  if (action === 'built') say(`${library} in ${seconds.toFixed(0)} s`);
}

/** What to compile for where neither `CUDAARCHS` nor a GPU says it. */
async function withoutGpu(): Promise<string | undefined> {
  if (process.env.CUDAARCHS) return undefined;
  const { gpus } = await findGpus();
  return gpus.length > 0 ? undefined : HOPPER;
}

function compileTypeScript(): void {
  const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  execFileSync(process.execPath, [tsc, '-p', join(packageFolder, 'tsconfig.build.json')], {
    stdio: 'inherit',
  });
}

async function installPython(): Promise<void> {
  if ((await peersPython('torch', 'transformers')) !== 'python3') return;
  say('PyTorch and transformers, for the tests beside them');
  await installPeers((text) => void (/^(Successfully|ERROR)/m.test(text) && process.stderr.write(text)));
}

async function link(): Promise<void> {
  await linkTensorflow({ projectFolder: packageFolder, check: true, onProgress: say });
}
