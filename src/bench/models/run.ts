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
import { type GenerateJob, measureGeneration } from './generate.js';
import { COMPARED_ACTIVATIONS, measureTraining, type TrainJob } from './train.js';
import type { GenerateDocument, TrainDocument, TrainRow } from './types.js';

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
}

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
  const rows = shared.host === undefined ? [] : await measureTraining(job, onStep);
  const notes = [...shared.notes];
  if (shared.host === 'tensorflow') {
    const narrow = { ...job, activations: compared, variants: ['fused', 'stock'] as const };
    const other = await measureInAllocator<TrainRow[]>('default', { bench: 'train', job: narrow }, onStep);
    rows.push(...(other.result ?? []));
    notes.push(...other.notes);
  }
  return {
    schema: 1,
    bench: 'train',
    ...(await heading(`npx polycom bench train${argumentsOf(options)}`, shared)),
    notes: notes.map(withoutFolders),
    results: rows,
  };
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
  return {
    schema: 1,
    bench: 'generate',
    ...(await heading(`npx polycom bench generate${argumentsOf(options)}`, shared)),
    notes: shared.notes.map(withoutFolders),
    results: shared.host === undefined ? [] : await measureGeneration(job, onStep),
  };
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
