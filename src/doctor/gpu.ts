import { OLDEST } from '../native/architectures.js';
import type { Gpu, Gpus } from '../native/gpus.js';
import type { Tool } from '../native/tools.js';
import type { DoctorRequest, Facts, Finding, NativeState } from './types.js';

/** The lines about the GPUs, and whether the library can use them. */
export function gpuFindings(
  { driver, gpus }: Gpus,
  { native, tools }: Pick<Facts, 'native' | 'tools'>,
  request: DoctorRequest,
): Finding[] {
  const wanted = request.device === 'cuda' && request.backend !== 'tensorflow';
  const usable = native.state === 'loaded' ? native.devices.cuda : 0;
  const missing = wanted ? 'broken' : 'absent';
  const findings: Finding[] = gpus.map((gpu) => ({
    mark: 'ok',
    label: 'GPU',
    value: `${gpu.name}, compute capability ${gpu.compute_capability}, ${(gpu.memory_mib / 1024).toFixed(0)} GiB`,
  }));
  if (driver !== undefined) findings.push({ mark: 'ok', label: 'driver', value: driver });
  if (usable > 0) findings.push({ mark: 'ok', label: 'usable', value: `${usable} by the native library` });
  else findings.push({ mark: missing, label: 'usable', ...whyUnusable(gpus, native, tools) });
  if (native.state === 'loaded' && native.build.cuda) {
    findings.push(...gpus.filter((gpu) => !runsOn(native.build.cuda_architectures, gpu)).map(uncompiled));
  }
  return findings;
}

function whyUnusable(
  gpus: readonly Gpu[],
  native: NativeState,
  tools: readonly Tool[],
): Pick<Finding, 'value' | 'remedy'> {
  if (native.state !== 'loaded')
    return { value: 'no CUDA device, without a native library', remedy: native.remedy };
  if (!native.build.cuda) {
    return whyNoKernels('no CUDA device', native, tools);
  }
  if (gpus.length === 0) {
    return {
      value: 'no CUDA device: no GPU or no driver was found',
      remedy:
        "a GPU needs NVIDIA's driver (nvidia-smi shows it; in a container: --gpus all); without one, use --device cpu",
    };
  }
  return {
    value: 'no CUDA device, though nvidia-smi finds one',
    remedy:
      'update the driver: it must be as new as the CUDA toolkit that built the library; or check CUDA_VISIBLE_DEVICES',
  };
}

/** What a library without CUDA kernels lacks, and why: its build failed with them, or did not try. */
export function whyNoKernels(
  missing: string,
  { cuda_failure }: NativeState & { state: 'loaded' },
  tools: readonly Tool[],
): Pick<Finding, 'value' | 'remedy'> {
  if (cuda_failure !== undefined) {
    const { reason, remedy } = cuda_failure;
    return { value: `${missing}: the CUDA kernels did not compile: ${reason}`, remedy };
  }
  return {
    value: `${missing}: the library was built without CUDA kernels`,
    remedy: cudaBuildRemedy(tools),
  };
}

/** How to get CUDA kernels: with the nvcc that there is, or one to come. */
function cudaBuildRemedy(tools: readonly Tool[]): string {
  const nvcc = tools.find(({ name }) => name === 'nvcc');
  return nvcc?.program === undefined
    ? 'on a machine with a GPU: install the CUDA toolkit, then run: npx polycom build --require-cuda'
    : `run: npx polycom build, without --no-cuda (${nvcc.program} ${nvcc.version ?? ''} is here)`;
}

function uncompiled({ name, compute_capability }: Gpu): Finding {
  const label = 'kernels';
  const value = `none for ${name} (compute capability ${compute_capability})`;
  if (Number(compute_capability.replace('.', '')) < OLDEST) {
    return { mark: 'absent', label, value, remedy: 'they need 7.5 or newer; use --device cpu' };
  }
  const remedy =
    'run: npx polycom build, for the GPUs that are here; for those of other machines too: npx polycom build --architectures all';
  return { mark: 'broken', label, value, remedy };
}

/**
 * Whether a GPU runs code compiled for some architectures: machine code of its generation and no later (`80-real`), or
 * PTX that is no later (`100-virtual`); a plain number is both.
 */
export function runsOn(
  architectures: string,
  { compute_capability }: Pick<Gpu, 'compute_capability'>,
): boolean {
  const own = Number(compute_capability.replace('.', ''));
  const generation = (number: number): number => Math.floor(number / 10);
  return architectures.split(/[,;]/).some((entry) => {
    const [, digits, suffix] = /^(\d+)a?(?:-(real|virtual))?$/.exec(entry.trim()) ?? [];
    if (digits === undefined) return true; // 'all', 'native': not a list to be judged
    const number = Number(digits);
    if (number > own) return false;
    return suffix !== 'real' || generation(number) === generation(own);
  });
}
