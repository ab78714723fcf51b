import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../common/package.js';
import { findGpus } from './gpus.js';

/** What CUDA kernels are compiled for. */
export interface CudaTarget {
  /** CMake's list, such as `90-real;100`; or `all` that the kernels are written for and the toolkit knows. */
  readonly architectures: string;
  /** The compute capabilities of the GPUs that the list is to serve, `86;90`, where they decide. */
  readonly gpus?: string;
}

/**
 * The architectures asked for; else what `CUDAARCHS` names; else those of the GPUs that are here, or all where none is.
 * CMake chooses for GPUs: one that is newer than the toolkit is served by PTX.
 */
export async function cudaTarget(asked: string | undefined): Promise<CudaTarget> {
  const named = asked ?? process.env.CUDAARCHS;
  if (named !== undefined && named !== '') return { architectures: named };
  const { gpus } = await findGpus();
  const capabilities = gpus.map(({ compute_capability }) => Number(compute_capability.replace('.', '')));
  const served = capabilities.filter((capability) => capability >= OLDEST);
  if (served.length === 0) return { architectures: 'all' };
  const list = [...new Set(served)].sort((a, b) => a - b);
  return { architectures: list.map((capability) => `${capability}-real`).join(';'), gpus: list.join(';') };
}

/** The architectures that the kernels are written for, oldest first: `75`, `80`, … */
export function listedArchitectures(): string[] {
  const text = readFileSync(join(packageFolder, 'native', 'cuda-architectures.cmake'), 'utf8');
  return /^set\(POLYCOM_ARCHITECTURES ([\d ]+)\)/m.exec(text)![1]!.split(' ');
}

/** The oldest of them: 75 for compute capability 7.5. */
export const OLDEST = 75;
