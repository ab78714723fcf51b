import { forkInAllocator, type OtherAllocator } from '../allocators.js';
import type { OnStep } from '../parts.js';
import type { TrainJob } from './train.js';

/** What the process of another allocator is asked to measure. */
export interface ModelChildJob {
  readonly bench: 'train';
  readonly job: TrainJob;
}

/** Measures in a process of its own, with another allocator of TensorFlow's. */
export async function measureInAllocator<Result>(
  allocator: OtherAllocator,
  job: ModelChildJob,
  onStep: OnStep,
): Promise<{ readonly result?: Result; readonly notes: readonly string[] }> {
  return await forkInAllocator<Result>(new URL('./child-main', import.meta.url), allocator, job, onStep);
}
