/** The benchmarks as functions, and what one's own are made of: the machine, timings, training steps, progress. */
export { duration, span, times } from './format.js';
export { currentCommit, describeMachine } from './machine.js';
export type { MemoryPlan, ModelContender } from './models/memory.js';
export { benchGeneration, benchTraining, type ModelBenchOptions } from './models/run.js';
export { COMPARED_ACTIVATIONS, measureTraining, planTraining, type TrainJob } from './models/train.js';
export type * from './models/types.js';
export { activateTensorflow, type OnStep } from './parts.js';
export { type Progress, type ProgressStream, progressOn } from './progress.js';
export { type BenchOptions, benchActivations, withoutFolders } from './run.js';
export type { TimingEffort } from './sampling.js';
export { percentile, summarise } from './statistics.js';
export type * from './types.js';
