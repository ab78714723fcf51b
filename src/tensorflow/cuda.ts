import { readFileSync } from 'node:fs';
import type { PolycomError } from '../common/errors.js';
import { koffi } from '../native/koffi.js';

/** A C++ function of TensorFlow's without arguments, as its libraries export it. */
export const IS_CUDA_ENABLED = '_ZN10tensorflow19IsGoogleCudaEnabledEv';

/** Whether the TensorFlow in this process was built with CUDA; unknown where it does not say. */
export function hasCuda(): boolean | undefined {
  for (const path of loadedLibraries()) {
    try {
      return koffi().load(path).func(IS_CUDA_ENABLED, 'bool', [])() as boolean;
    } catch {
      // Not the library that has it, or a TensorFlow that has none.
    }
  }
  return undefined;
}

/** The command that gives tfjs-node a TensorFlow with CUDA. */
export const LINK_GPU = 'npx polycom tf-link --gpu';

/** What keeps TensorFlow from a GPU, and what to do about it. */
export interface OnCpu {
  readonly reason: string;
  readonly remedy: string;
}

/**
 * Why TensorFlow runs on the CPU: it has no CUDA, there is no driver, or it found no libraries.
 *
 * @param cuda what {@link hasCuda} said
 * @param gpus how many GPUs the driver knows
 */
export function whyOnCpu(cuda: boolean | undefined, gpus: number): OnCpu {
  if (cuda === false) return { reason: 'this TensorFlow was built without CUDA', remedy: LINK };
  if (gpus === 0) {
    const has = cuda ? 'this TensorFlow has CUDA, but ' : '';
    return {
      reason: `${has}no GPU or no driver was found`,
      remedy: cuda ? DRIVER : `${DRIVER}; then ${LINK}`,
    };
  }
  if (cuda === undefined) return { reason: 'it found no GPU', remedy: LINK };
  return { reason: 'this TensorFlow has CUDA, but did not take the GPU', remedy: LIBRARIES };
}

/**
 * Why the native library's kernels do not run on the GPU that TensorFlow uses.
 *
 * @param refusal the library's, of pc_tensorflow_use_gpu
 * @param cuda whether the library has CUDA kernels
 */
export function whyNotOnGpu({ code, problem }: PolycomError, cuda: boolean): OnCpu {
  const reason = `TensorFlow uses a GPU, on which the native library's kernels do not run: ${problem}`;
  if (!cuda) return { reason, remedy: 'build it where nvcc is found: npx polycom build --require-cuda' };
  const architecture = /compute capability (\d+)\.(\d+)/.exec(problem);
  if (code === 'UNSUPPORTED' && architecture !== null) {
    return {
      reason,
      remedy: `run: npx polycom build --architectures ${architecture[1]}${architecture[2]}-real`,
    };
  }
  return { reason, remedy: OLD_DRIVER };
}

const OLD_DRIVER =
  'update the driver: it must be as new as the CUDA toolkit that built the library (nvidia-smi shows which it knows), ' +
  'or build with an older toolkit';
const LINK = `link a TensorFlow with CUDA: ${LINK_GPU}`;
const DRIVER = "install NVIDIA's driver (nvidia-smi shows it; in a container: --gpus all)";
const LIBRARIES =
  'see which library it does not find (TF_CPP_MIN_LOG_LEVEL=0 shows it): cuDNN and cuBLAS come with ' +
  "pip install 'tensorflow[and-cuda]'; or check CUDA_VISIBLE_DEVICES";

/** The files of TensorFlow's libraries in this process. */
function loadedLibraries(): string[] {
  try {
    const maps = readFileSync('/proc/self/maps', 'utf8');
    return [...new Set(maps.match(/\/\S.*\/libtensorflow(?:_cc|_framework)?\.so\S*$/gm))];
  } catch {
    return []; // a system without /proc
  }
}
