import { readFileSync } from 'node:fs';
import { koffi } from '../native/koffi.js';

/** A C++ function of TensorFlow's without arguments, as its libraries export it. */
const IS_CUDA_ENABLED = '_ZN10tensorflow19IsGoogleCudaEnabledEv';

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

const LINK =
  "link a TensorFlow with CUDA: pip install 'tensorflow[and-cuda]', then npx polycom tf-link --tensorflow <site-packages>";
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
