import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../../errors.js';
import type { ActivationName, PresetName } from '../../model/config.js';
import { packageVersion } from '../../package.js';
import { currentCommit, describeMachine } from '../machine.js';
import type { OnStep } from '../parts.js';
import { activateTensorflow, tfjsVersion } from '../parts.js';
import { withoutFolders } from '../run.js';
import { allocatorOfProcess } from '../tensorflow.js';
import type { Machine } from '../types.js';
import { measureInAllocator } from './child.js';
import { type GenerateJob, measureGeneration, planGeneration } from './generate.js';
import { checkFits } from './memory.js';
import { COMPARED_ACTIVATIONS, measureTraining, planTraining, type TrainJob } from './train.js';
import type { GenerateDocument, GenerateRow, ModelDocument, TrainDocument, TrainRow } from './types.js';

/** What of the models to measure. */
export interface ModelBenchOptions {
  readonly quick?: boolean;
  /** `small` by default. */
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
export async function benchTraining(options: ModelBenchOptions = {}): Promise<TrainDocument> {
  const { quick = false, preset = 'small', batch = 8, time = 128, onStep = () => undefined } = options;
  const activations = options.activations ?? COMPARED_ACTIVATIONS;
  const compared = quick ? comparedOf(activations) : activations;
  const job: TrainJob = {
    preset,
    activations,
    compared,
    variants: ['fused', 'composed', 'stock'],
    batch,
    time,
    effort: quick ? QUICK : FULL,
  };
  const shared = await setting(onStep);
  const about = await heading(`npx polycom bench train${argumentsOf(options)}`, shared);
  const documentOf = (results: readonly TrainRow[], notes: readonly string[]): TrainDocument => {
    return { schema: 1, bench: 'train', ...about, notes: notes.map(withoutFolders), results };
  };
  if (shared.host === undefined) return documentOf([], shared.notes);
  const plan = planTraining(job);
  options.onNotice?.(plan.line);
  checkFits(plan);
  const notes = [...shared.notes, ...plan.notes];
  const keep = (results: readonly TrainRow[]): void =>
    options.onDocument?.(documentOf(results, [...notes, UNFINISHED]));
  const rows = await measureTraining(job, plan, onStep, keep);
  if (shared.host === 'tensorflow') {
    const narrow = { ...job, activations: compared, variants: ['fused', 'stock'] as const };
    const other = await measureInAllocator<MeasuredModels>(
      'default',
      { bench: 'train', job: narrow },
      onStep,
    );
    rows.push(...(other.result?.rows ?? []));
    notes.push(...(other.result?.notes ?? []), ...other.notes);
  }
  return documentOf(rows, notes);
}

/** What the process of another allocator sends. */
interface MeasuredModels {
  readonly rows: readonly TrainRow[];
  readonly notes: readonly string[];
}

/** Measures generation by activation: reading prompts and the steps after them apart. */
export async function benchGeneration(options: ModelBenchOptions = {}): Promise<GenerateDocument> {
  const { quick = false, preset = 'small', batch, time = 64, onStep = () => undefined } = options;
  const activations = options.activations ?? COMPARED_ACTIVATIONS;
  const job: GenerateJob = {
    preset,
    activations,
    compared: quick ? comparedOf(activations) : activations,
    batches: batch === undefined ? [1, 8] : [batch],
    length: time,
    steps: quick ? 16 : 64,
    rounds: quick ? 2 : 5,
  };
  const shared = await setting(onStep);
  const about = await heading(`npx polycom bench generate${argumentsOf(options)}`, shared);
  const documentOf = (results: readonly GenerateRow[], notes: readonly string[]): GenerateDocument => {
    return { schema: 1, bench: 'generate', ...about, notes: notes.map(withoutFolders), results };
  };
  if (shared.host === undefined) return documentOf([], shared.notes);
  const plan = planGeneration(job);
  options.onNotice?.(plan.line);
  checkFits(plan);
  const notes = [...shared.notes, ...plan.notes];
  const keep = (results: readonly GenerateRow[]): void =>
    options.onDocument?.(documentOf(results, [...notes, UNFINISHED]));
  return documentOf(await measureGeneration(job, plan, onStep, keep), notes);
}

/** The first and the last of them: what stands for the others where time is short. */
function comparedOf(activations: readonly ActivationName[]): ActivationName[] {
  return activations.filter((_, i) => i === 0 || i === activations.length - 1);
}

interface Setting {
  /** The backend that runs; none without TensorFlow. */
  readonly host?: string;
  readonly notes: readonly string[];
  readonly machine?: Pick<Machine, 'simd' | 'tf_allocator' | 'tf_onednn'>;
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
  return {
    host: tf.getBackend(),
    notes: status.fused ? [] : [`no fused ops in TensorFlow: ${status.missing}`],
    machine: {
      ...(native.found ? { simd: native.build.simd } : {}),
      tf_allocator: allocatorOfProcess(),
      tf_onednn: process.env.TF_ENABLE_ONEDNN_OPTS === '0' ? 'off' : 'default',
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
  const { activations } = await import('../../activations/table.js');
  return names.map((name) => {
    const row = activations.find((candidate) => candidate.name === name);
    if (row !== undefined) return row.name;
    const known = activations.map((candidate) => candidate.name).join(', ');
    throw new PolycomError('INVALID_ARGUMENT', `activation '${name}'; expected some of ${known}`);
  });
}
