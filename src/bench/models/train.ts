import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../../common/errors.js';
import {
  type ActivationName,
  configOf,
  type ModelConfig,
  measurePeak,
  type PresetName,
  parameterCounts,
} from '../../model/index.js';
import { measureMatmulPeak, type PeakFlops, utilisation } from '../../train/flops.js';
import { type OnStep, placeOfRows } from '../parts.js';
import { hostSampler, interleave, type TimingEffort } from '../sampling.js';
import { percentile, round, summarise } from '../statistics.js';
import { type MemoryPlan, type ModelContender, planMemory, trainingNeed } from './memory.js';
import { profileHost } from './profile.js';
import { relateModels } from './ratios.js';
import { makeStepper, type Stepper } from './step.js';
import type { OwnModelVariant, TrainRow } from './types.js';

/** What is trained, and how long it is measured. */
export interface TrainJob {
  readonly preset: PresetName;
  readonly activations: readonly ActivationName[];
  /** The activations that the slower variants are measured with too. */
  readonly compared: readonly ActivationName[];
  readonly variants: readonly OwnModelVariant[];
  readonly batch: number;
  readonly time: number;
  readonly effort: TimingEffort;
}

/** How far the losses of two ways to run one model may be apart, as a share. */
const LOSS_BOUND = 1e-4;
const PROFILES = 3;

/** What of a job fits the memory that is free now. */
export function planTraining({ preset, activations, compared, variants, batch, time }: TrainJob): MemoryPlan {
  const contenders = activations.flatMap((activation) =>
    variants
      .filter((variant) => variant === 'fused' || compared.includes(activation))
      .map((variant): ModelContender => ({ config: configOf(preset, { activation }), variant })),
  );
  return planMemory(contenders, ({ config, variant }) => trainingNeed(config, variant, { batch, time }));
}

/**
 * Measures training steps on the active backend; contenders that are held together take their turns.
 *
 * @param onRows is given all rows so far, whenever there are more
 */
export async function measureTraining(
  job: TrainJob,
  plan: MemoryPlan,
  onStep: OnStep,
  onRows: (rows: TrainRow[]) => void = () => undefined,
): Promise<TrainRow[]> {
  const group = `training ${job.preset}, ${job.batch} × ${job.time} tokens`;
  onStep(group, 'a matrix product');
  const peak = await measureMatmulPeak();
  const budgetMs = job.effort.budgetMs / Math.max(plan.groups.length, 1);
  let rows: TrainRow[] = [];
  for (const contenders of plan.groups) {
    const measured = measureTogether(
      contenders,
      { ...job, effort: { ...job.effort, budgetMs } },
      peak,
      (step) => onStep(group, step),
    );
    rows = relateModels([...rows, ...measured]);
    onRows(rows);
  }
  return rows;
}

function measureTogether(
  contenders: readonly ModelContender[],
  job: TrainJob,
  peak: PeakFlops,
  onStep: (step: string) => void,
): TrainRow[] {
  const { preset, batch, time, effort } = job;
  const steppers: Stepper[] = [];
  try {
    const rows = contenders.map(({ config, variant }) => {
      onStep(`${config.activation}, ${variant}`);
      return prepare(config, variant, job, steppers);
    });
    const timed = rows.filter(({ ok }) => ok);
    const samples = interleave(
      steppers.map(({ step }) => hostSampler(step)),
      effort,
      (n) => onStep(`round ${n + 1}`),
    );
    const parts = steppers.map((stepper, i) =>
      partsOf(stepper, percentile(samples[i]!, 0.5), timed[i]!.device),
    );
    const measured = timed.map((row, i): TrainRow => {
      const timing = summarise(samples[i]!);
      const tok_per_s = round((batch * time) / (timing.ms_p50 / 1000));
      const config = configOf(preset, { activation: row.activation });
      return {
        ...row,
        ...timing,
        ...parts[i],
        samples: samples[i]!.length,
        tok_per_s,
        mfu: round(utilisation(config, time, tok_per_s, peak)),
        peak_named: `${peak.named}: ${Math.round(peak.flops / 1e9)} GFLOP/s`,
      };
    });
    return [...measured, ...rows.filter(({ ok }) => !ok)];
  } finally {
    for (const stepper of steppers) stepper.dispose();
  }
}

/** A row with what needs no clock; its stepper is kept if its loss is right. */
function prepare(
  config: ModelConfig,
  variant: OwnModelVariant,
  { preset, batch, time }: TrainJob,
  keep: Stepper[],
): TrainRow {
  const row = {
    preset,
    activation: config.activation,
    variant,
    backend: tf.getBackend(),
    ...placeOfRows(),
    parameters: parameterCounts(config).total,
    batch,
    time,
  } as const;
  let stepper: Stepper | undefined;
  const failed = (failure: string): TrainRow => {
    stepper?.dispose();
    return { ...row, ok: false, failure };
  };
  try {
    stepper = makeStepper(config, variant, { batch, time });
    const wrong = wrongLoss(stepper, config, { batch, time });
    if (wrong !== undefined) return failed(wrong);
    const { peakBytes, result: loss } = measurePeak(stepper.gradients);
    keep.push(stepper);
    return { ...row, peak_bytes: peakBytes, loss: round(loss), ok: true };
  } catch (error) {
    // The estimate was too low: the others may fit.
    if (error instanceof PolycomError && error.code === 'OUT_OF_MEMORY') return failed(firstLine(error));
    throw error;
  }
}

function firstLine({ message }: Error): string {
  return message.split('\n')[0]!;
}

/** What is wrong with the first loss: the same model's, composed and on tfjs's tape, is the measure. */
function wrongLoss(
  stepper: Stepper,
  config: ModelConfig,
  shape: { readonly batch: number; readonly time: number },
): string | undefined {
  const oracle = makeStepper(config, 'stock', shape);
  try {
    const [got, wanted] = [stepper.gradients(), oracle.forward()];
    if (Math.abs(got - wanted) <= LOSS_BOUND * Math.abs(wanted)) return undefined;
    return `the first loss is ${got}; tf's own ops give ${wanted}`;
  } finally {
    oracle.dispose();
  }
}

/** The parts of a step that takes `whole` milliseconds. What is neither its loss nor its update is its gradients. */
function partsOf(stepper: Stepper, whole: number, device: TrainRow['device']): Partial<TrainRow> {
  const forwards = Array.from({ length: PROFILES }, () => {
    const began = performance.now();
    stepper.forward();
    return performance.now() - began;
  });
  // On a GPU an op, and so an update, returns before it is done.
  const onGpu = device !== 'cpu';
  const updates = onGpu ? Array.from({ length: PROFILES }, stepper.updateToItsEnd) : stepper.updates;
  const [forward, optimizer] = [percentile(forwards, 0.5), percentile(updates, 0.5)];
  const profile = onGpu ? undefined : profileHost(stepper.step);
  return {
    ms_forward: round(forward),
    ms_backward: round(Math.max(whole - forward - optimizer, 0)),
    ms_optimizer: round(optimizer),
    ...(profile === undefined
      ? {}
      : { ms_host: round(profile.ms_host), ms_matmul: round(profile.ms_matmul) }),
  };
}

/** The activations that are compared, where nobody says which: the paper's, at equal parameters. */
export const COMPARED_ACTIVATIONS: readonly ActivationName[] = [
  'relu',
  'relu2',
  'gelu',
  'swiglu',
  'polyrelu',
  'polynorm',
];
