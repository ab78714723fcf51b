import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../../src/common/command.js';
import { holdingLock } from '../../../src/common/lock.js';
import { LIBRARIES, tensorflowIn } from '../../../src/tensorflow/link/folder.js';
import { hasBinding, resolvePackages } from '../../../src/tensorflow/link/packages.js';
import { runpathOf } from '../../../src/tensorflow/link/runpath.js';
import { emulatedCuda, native } from '../../native/harness.js';
import { ROOT } from '../link-harness.js';

const HERE = dirname(fileURLToPath(import.meta.url));

/** A GPU for the linked TensorFlow, and the native library whose CUDA kernels run on it. */
export interface TestDevice {
  readonly device: string;
  readonly library: string;
  /** TensorFlow's libraries, in the order in which they load. */
  readonly tensorflow: readonly string[];
}

/** Whether the tests are to run on this machine's first GPU, in place of the emulator's: npm run gpu:check sets it. */
export const onRealGpu: boolean = process.env.POLYCOM_TEST_GPU === '1';

/** The test's GPU; or undefined, with the reason printed, where something that the emulator's needs is missing. */
export async function testDevice(): Promise<TestDevice | undefined> {
  try {
    return await buildTestDevice();
  } catch (error) {
    if (onRealGpu) throw error; // which was asked for
    console.warn(
      `skipped: the tests of TensorFlow on a GPU: ${error instanceof Error ? error.message : error}`,
    );
    return undefined;
  }
}

async function buildTestDevice(): Promise<TestDevice> {
  const linked = resolvePackages(ROOT).find(hasBinding);
  if (linked === undefined) throw new Error('no TensorFlow is linked');
  const parts = runpathOf(linked.binding)
    .map(tensorflowIn)
    .find((found) => found !== undefined);
  if (parts === undefined) throw new Error(`${linked.binding} names no TensorFlow with its headers`);
  const { library, compiler, libraries } = onRealGpu ? realCuda() : await emulator();
  const tensorflow = LIBRARIES.map((name) => join(parts.libraryFolder, name));
  const device = join(ROOT, 'build', 'test-device', onRealGpu ? 'device-cuda.so' : 'device.so');
  mkdirSync(dirname(device), { recursive: true });
  await holdingLock(`${device}.lock`, async () => {
    const sources = readdirSync(HERE).filter((name) => /\.(cpp|h)$/.test(name));
    const inputs = [...sources.map((name) => join(HERE, name)), ...libraries, ...tensorflow];
    if (!isOlder(device, inputs)) return;
    const units = sources.filter((name) => name.endsWith('.cpp')).map((name) => join(HERE, name));
    const [command, ...args] = [...compiler, '-I', parts.includeFolder, ...units];
    // nodelete: TensorFlow holds its functions until the process ends.
    const linker = [...libraries, ...tensorflow, '-z', 'nodelete', '-z', 'defs'];
    for (const folder of new Set([...libraries, ...tensorflow].map((path) => dirname(path))))
      linker.push('-rpath', folder);
    const link = linker.flatMap((option) => ['-Xlinker', option]);
    const { status, stderr } = await runCommand(command!, [...args, ...link, '-o', device]);
    if (status !== 0) throw new Error(`its device does not compile:\n${stderr}`);
  });
  return { device, library, tensorflow };
}

/** Which CUDA the device and the kernels are over: the native library, what compiles the device, and with what it links. */
interface Cuda {
  readonly library: string;
  readonly compiler: readonly string[];
  readonly libraries: readonly string[];
}

const HOST_FLAGS = ['-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'];

async function emulator(): Promise<Cuda> {
  const emulated = await emulatedCuda();
  if (emulated === undefined) throw new Error('no CUDA emulator');
  const headers = ['-I', join(ROOT, 'test', 'native', 'emulator')];
  return {
    library: emulated.path,
    compiler: [process.env.CXX ?? 'g++', '-shared', '-std=c++17', '-O1', ...HOST_FLAGS, ...headers],
    libraries: [join(dirname(emulated.path), 'libemulated_cuda.so')],
  };
}

function realCuda(): Cuda {
  if (native === undefined) throw new Error('there is no native library');
  if (native.emulated || native.deviceCount('cuda') === 0)
    throw new Error(`POLYCOM_TEST_GPU=1, but ${native.path} finds no GPU that it can use`);
  const host = `-Xcompiler=${HOST_FLAGS.join()}`;
  const compiler = [process.env.CUDACXX ?? 'nvcc', '-shared', '-std=c++17', '-O1', host];
  return { library: native.path, compiler, libraries: [] };
}

function isOlder(product: string, inputs: readonly string[]): boolean {
  if (!existsSync(product)) return true;
  const made = statSync(product).mtimeMs;
  return inputs.some((path) => statSync(path).mtimeMs > made);
}

/** What makes a Node's TensorFlow have the device, and this package its kernels there. */
export function environmentOf({ device, library, tensorflow }: TestDevice): NodeJS.ProcessEnv {
  const imports = [import.meta.resolve('tsx'), new URL('./load.ts', import.meta.url).href];
  return {
    POLYCOM_LIBRARY: library,
    EMULATED_APART: '1',
    TF_CPP_MIN_LOG_LEVEL: '2', // it warns of a pluggable device's memory that grows
    TF_ENABLE_ONEDNN_OPTS: '0', // else it says on a CPU with AVX-512 that oneDNN is on, whatever the level
    POLYCOM_TEST_DEVICE: [device, ...tensorflow].join(':'),
    NODE_OPTIONS: imports.map((url) => `--import=${url}`).join(' '),
  };
}
