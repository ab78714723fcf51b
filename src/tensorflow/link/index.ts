import { PolycomError } from '../../common/errors.js';
import { LINK_GPU } from '../cuda.js';
import { identifyCompiler, installBinding, obtainBinding } from './binding.js';
import { checkPackage } from './check.js';
import { isCudaBuild, lendCuda, namesCuda, wantedGpu } from './cuda-build.js';
import { obtainTensorflow } from './find.js';
import { resolvePackages, type TfjsPackage } from './packages.js';
import { cudaWarning } from './runpath.js';
import { linkStream } from './stream.js';
import type { LinkedPackage, LinkOptions, LinkResult, OnLine, TensorflowFound } from './types.js';

export { findTensorflow } from './find.js';
export type {
  FindOptions,
  LinkedPackage,
  LinkOptions,
  LinkResult,
  TensorflowFound,
  TensorflowSource,
} from './types.js';

/**
 * Gives the project's tfjs-node packages a modern TensorFlow: finds or fetches one, builds their binding against
 * it, and puts the binding where they look for it. What was made before is taken from the cache.
 */
export async function linkTensorflow(options: LinkOptions = {}): Promise<LinkResult> {
  const start = performance.now();
  const say: OnLine = options.onProgress ?? (() => undefined);
  checkPlatform();
  const found = resolvePackages(options.projectFolder ?? process.cwd());
  if (found.length === 0) throw noPackage();
  await identifyCompiler();
  const gpu = await wantedGpu(options);
  const tensorflow = await obtainTensorflow(options, say);
  say(`TensorFlow ${tensorflow.version} (${tensorflow.source}) in ${tensorflow.libraryFolder}`);
  await lendCuda(tensorflow.libraryFolder, say);
  const warning = cudaWarning(tensorflow.libraryFolder);
  if (warning !== undefined) say(warning);
  const matters = gpu.name !== undefined || options.gpu === true;
  const cuda = matters ? await isCudaBuild(tensorflow.libraryFolder, true) : undefined;
  if (cuda === false) say(cpuBuildWarning(gpu.name));
  const packages: LinkedPackage[] = [];
  await linkStream(found, tensorflow, cuda ?? namesCuda(tensorflow.libraryFolder), say);
  for (const tfjs of found) packages.push(await linkPackage(tfjs, tensorflow, options, say));
  const known = cuda === undefined ? {} : { cuda };
  return { tensorflow, ...known, packages, seconds: (performance.now() - start) / 1000 };
}

function cpuBuildWarning(gpu: string | undefined): string {
  const seen = gpu === undefined ? '' : `a GPU is here (${gpu}), but `;
  return `${seen}this TensorFlow is a CPU build: ops run on the CPU; for the GPU: ${LINK_GPU}`;
}

async function linkPackage(
  tfjs: TfjsPackage,
  tensorflow: TensorflowFound,
  options: LinkOptions,
  say: OnLine,
): Promise<LinkedPackage> {
  const linked = await installBinding(await obtainBinding(tfjs, tensorflow, say), tfjs);
  const action = linked ? 'linked' : 'already linked';
  say(`${tfjs.name} ${tfjs.version}: ${action}`);
  if (options.check && (linked || options.verify)) {
    await checkPackage(tfjs, tensorflow);
    say(`${tfjs.name} ${tfjs.version}: runs`);
  }
  return { ...tfjs, action };
}

function checkPlatform(): void {
  if (process.platform === 'linux') return;
  throw new PolycomError(
    'UNSUPPORTED',
    `linking a TensorFlow works on Linux, and this is ${process.platform}`,
    {
      remedy:
        "use tfjs-node's own install script here, or polycom without TensorFlow; on Windows, WSL is a Linux",
    },
  );
}

function noPackage(): PolycomError {
  return new PolycomError(
    'LIBRARY_NOT_FOUND',
    'neither @tensorflow/tfjs-node nor @tensorflow/tfjs-node-gpu is installed',
    {
      remedy:
        'npm install --ignore-scripts @tensorflow/tfjs-node@4.22.0, then run this again in the same folder',
    },
  );
}
