import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../../common/errors.js';
import { packageVersion } from '../../common/package.js';
import type { ActivationName } from '../../model/config.js';
import type { PresetName } from '../../model/presets.js';
import { currentCommit, describeMachine } from '../machine.js';
import { activateTensorflow, type OnStep, tensorflowDevice, tfjsVersion } from '../parts.js';
import { describeGpu, withoutFolders } from '../run.js';
import type { TimingEffort } from '../sampling.js';
import { describeAllocator } from '../tensorflow.js';
import type { BenchDevice, DocumentOf, Machine } from '../types.js';
import { measureInAllocator } from './child.js';
import { type GenerateJob, measureGeneration, planGeneration } from './generate.js';
import { checkFits, type MemoryPlan } from './memory.js';
import { COMPARED_ACTIVATIONS, measureTraining, planTraining, type TrainJob } from './train.js';
import {
  type GenerateDocument,
  type GenerateRow,
  MODEL_BENCH_DEFAULTS,
  type ModelDocument,
  type TrainDocument,
  type TrainRow,
} from './types.js';

/** What of the models to measure. */
export interface ModelBenchOptions {
  readonly quick?: boolean;
  readonly preset?: PresetName;
  /** The six of the paper's comparison by default. */
  readonly activations?: readonly ActivationName[];
  readonly batch?: number;
  /** Tokens of a sequence or, for generation, of a prompt. */
  readonly time?: number;
  readonly onStep?: OnStep;
  /** Is told beforehand what will be held in memory, in a line. */
  readonly onNotice?: (line: string) => void;
  /** Is given the document so far, whenever there is more of it. */
  readonly onDocument?: (document: ModelDocument) => void;
}

/** The note of a document that more was to come to. */
const UNFINISHED = 'this run did not come to its end';

const QUICK = { minRounds: 4, maxRounds: 8, budgetMs: 25_000 };
const FULL = { minRounds: 10, maxRounds: 40, budgetMs: 240_000 };

/**
 * Measures training steps of the transformer by activation: fused, composed, and as stock tfjs-node has them, with
 * TensorFlow's reusing allocator and, in a process of its own, with its default one.
 */
export function benchTraining(options: ModelBenchOptions = {}): Promise<TrainDocument> {
  const { batch = MODEL_BENCH_DEFAULTS.train.batch, time = MODEL_BENCH_DEFAULTS.train.time } = options;
  const bench: ModelBench<TrainJob, TrainRow> = {
    jobOf: (models, effort) => ({ ...models, variants: ['fused', 'composed', 'stock'], batch, time, effort }),
    plan: planTraining,
    measure: measureTraining,
    besides: inDefaultAllocator,
  };
  return run('train', bench, options, options.onDocument);
}

/** Measures generation by activation: reading prompts and the steps after them apart. */
export function benchGeneration(options: ModelBenchOptions = {}): Promise<GenerateDocument> {
  const { batch, time: length = MODEL_BENCH_DEFAULTS.generate.time, quick = false } = options;
  const batches = batch === undefined ? [1, 8] : [batch];
  const [steps, rounds] = quick ? [16, 2] : [64, 5];
  const bench: ModelBench<GenerateJob, GenerateRow> = {
    jobOf: (models) => ({ ...models, batches, length, steps, rounds }),
    plan: planGeneration,
    measure: measureGeneration,
  };
  return run('generate', bench, options, options.onDocument);
}

/** The parts of a job that both benchmarks have. */
type Models = Pick<TrainJob & GenerateJob, 'preset' | 'activations' | 'compared'>;

/** The parts in which the benchmarks differ. */
interface ModelBench<Job, Row> {
  readonly jobOf: (models: Models, effort: TimingEffort) => Job;
  /** Says which models of a job fit the memory that is free. */
  readonly plan: (job: Job) => MemoryPlan;
  readonly measure: (
    job: Job,
    plan: MemoryPlan,
    onStep: OnStep,
    onRows: (rows: readonly Row[]) => void,
  ) => Promise<Row[]>;
  /** Measures more, inside tfjs-node, when the rest is done. */
  readonly besides?: (job: Job, onStep: OnStep) => Promise<MeasuredModels<Row>>;
}

interface MeasuredModels<Row> {
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
}

/** @param onDocument is given the document so far, whenever there is more of it */
async function run<Name extends 'train' | 'generate', Job, Row>(
  name: Name,
  bench: ModelBench<Job, Row>,
  options: ModelBenchOptions,
  onDocument: (document: DocumentOf<Name, Row>) => void = () => undefined,
): Promise<DocumentOf<Name, Row>> {
  const { quick = false, preset = MODEL_BENCH_DEFAULTS.preset, onStep = () => undefined } = options;
  const activations = options.activations ?? COMPARED_ACTIVATIONS;
  const compared = quick ? comparedOf(activations) : activations;
  const job = bench.jobOf({ preset, activations, compared }, quick ? QUICK : FULL);
  const shared = await setting(onStep);
  const about = await heading(`npx polycom bench ${name}${argumentsOf(options)}`, shared);
  const documentOf = (results: readonly Row[], notes: readonly string[]): DocumentOf<Name, Row> => {
    return { schema: 1, bench: name, ...about, notes: notes.map(withoutFolders), results };
  };
  if (shared.host === undefined) return documentOf([], shared.notes);
  const plan = bench.plan(job);
  options.onNotice?.(plan.line);
  checkFits(plan);
  const notes = [...shared.notes, ...plan.notes];
  const rows = await bench.measure(job, plan, onStep, (rowsSoFar) =>
    onDocument(documentOf(rowsSoFar, [...notes, UNFINISHED])),
  );
  const onCpu = shared.host === 'tensorflow' && shared.device === 'cpu';
  if (bench.besides === undefined || !onCpu) return documentOf(rows, notes);
  const more = await bench.besides(job, onStep);
  return documentOf([...rows, ...more.rows], [...notes, ...more.notes]);
}

/** Training with TensorFlow's default allocator, in a process of its own, of the variants that it matters to. */
async function inDefaultAllocator(job: TrainJob, onStep: OnStep): Promise<MeasuredModels<TrainRow>> {
  const narrow = { ...job, activations: job.compared, variants: ['fused', 'stock'] as const };
  const { result, notes } = await measureInAllocator<MeasuredModels<TrainRow>>(
    'default',
    { bench: 'train', job: narrow },
    onStep,
  );
  return { rows: result?.rows ?? [], notes: [...(result?.notes ?? []), ...notes] };
}

/** The first and the last of them: what stands for the others where time is short. */
function comparedOf(activations: readonly ActivationName[]): ActivationName[] {
  return activations.filter((_, i) => i === 0 || i === activations.length - 1);
}

interface Setting {
  /** The backend that runs; none without TensorFlow. */
  readonly host?: string;
  readonly device?: BenchDevice;
  readonly notes: readonly string[];
  readonly machine?: Partial<Machine>;
  readonly versions: Readonly<Record<string, string>>;
}

async function setting(onStep: OnStep): Promise<Setting> {
  onStep('TensorFlow', 'loading');
  const { tensorflowStatus: status } = await import('../../tensorflow/index.js');
  const { findNative } = await import('../../native/library.js');
  if (status.package === undefined) return { notes: [`no TensorFlow: ${status.missing}`], versions: {} };
  const refusal = await activateTensorflow();
  if (refusal !== undefined) return { notes: [`TensorFlow left out: ${refusal}`], versions: {} };
  const native = findNative();
  const library = native.found ? native : undefined;
  const device = tensorflowDevice(library);
  const describe = async () => {
    if (device === 'cpu') return describeAllocator();
    return library !== undefined && library.deviceCount('cuda') > 0 ? await describeGpu(library) : {};
  };
  return {
    host: tf.getBackend(),
    device,
    notes: status.fused ? [] : [`no fused ops in TensorFlow: ${status.missing}`],
    machine: {
      ...(native.found ? { simd: native.build.simd } : {}),
      ...(await describe()),
    },
    versions: {
      tensorflow: status.tensorflow ?? 'unknown',
      tfjs: tfjsVersion,
      [status.package]: tfjsVersion,
    },
  };
}

async function heading(command: string, { machine, versions }: Setting) {
  const commit = await currentCommit();
  return {
    date: new Date().toISOString(),
    ...(commit === undefined ? {} : { commit }),
    command,
    machine: { ...describeMachine(), ...machine },
    versions: { polycom: packageVersion, node: process.versions.node, ...versions },
  };
}

function argumentsOf({ quick, preset, activations, batch, time }: ModelBenchOptions): string {
  const parts = [
    ...(quick ? ['--quick'] : []),
    ...(preset === undefined ? [] : [`--preset ${preset}`]),
    ...(activations === undefined ? [] : [`--activations ${activations.join()}`]),
    ...(batch === undefined ? [] : [`--batch ${batch}`]),
    ...(time === undefined ? [] : [`--time ${time}`]),
  ];
  return parts.map((part) => ` ${part}`).join('');
}

/** Gives a list of activations back, checked. */
export async function checkActivations(names: readonly string[]): Promise<readonly ActivationName[]> {
  const { activationRows } = await import('../../activations/table.js');
  return names.map((name) => {
    const row = activationRows.find((candidate) => candidate.name === name);
    if (row !== undefined) return row.name;
    const known = activationRows.map((candidate) => candidate.name).join(', ');
    throw new PolycomError('INVALID_ARGUMENT', `activation '${name}'; expected some of ${known}`);
  });
}
