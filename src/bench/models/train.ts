import * as tf from '@tensorflow/tfjs-core';
import { activationOf, isFused, isGated } from '../../model/activation.js';
import {
  type ActivationName,
  configOf,
  type ModelConfig,
  measurePeak,
  type PresetName,
  parameterCounts,
} from '../../model/index.js';
import { measureMatmulPeak, utilisation } from '../../train/flops.js';
import type { OnStep } from '../parts.js';
import { type Effort, interleave } from '../sampling.js';
import { percentile, round, summarise } from '../statistics.js';
import { allocatorOfProcess } from '../tensorflow.js';
import { profileHost } from './profile.js';
import { relateModels } from './ratios.js';
import { makeStepper, type Stepper } from './step.js';
import type { ModelVariant, TrainRow } from './types.js';

/** What is trained, and how long it is measured. */
export interface TrainJob {
  readonly preset: PresetName;
  readonly activations: readonly ActivationName[];
  /** The activations that the slower variants are measured with too. */
  readonly compared: readonly ActivationName[];
  readonly variants: readonly OwnModelVariant[];
  readonly batch: number;
  readonly time: number;
  readonly effort: Effort;
}

export type OwnModelVariant = Exclude<ModelVariant, `peer:${string}`>;

/** How far the losses of two ways to run one model may be apart, as a share. */
const LOSS_BOUND = 1e-4;
const PROFILES = 3;

/** Measures training steps on the active backend, all contenders in turns. */
export async function measureTraining(job: TrainJob, onStep: OnStep): Promise<TrainRow[]> {
  const { preset, batch, time, effort } = job;
  const group = `training ${preset}, ${batch} × ${time} tokens`;
  const contenders = job.activations.flatMap((activation) =>
    job.variants
      .filter((variant) => variant === 'fused' || job.compared.includes(activation))
      .map((variant) => ({ config: configOf(preset, { activation }), variant })),
  );
  onStep(group, 'a matrix product');
  const peak = await measureMatmulPeak();
  const steppers: Stepper[] = [];
  try {
    const rows = contenders.map(({ config, variant }) => {
      onStep(group, `${config.activation}, ${variant}`);
      return prepare(config, variant, job, steppers);
    });
    const timed = rows.filter(({ ok }) => ok);
    const samples = interleave(
      steppers.map(({ step }) => step),
      effort,
      (n) => onStep(group, `round ${n + 1}`),
    );
    const parts = steppers.map((stepper, i) => partsOf(stepper, percentile(samples[i]!, 0.5)));
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
    return relateModels([...measured, ...rows.filter(({ ok }) => !ok)]);
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
    device: 'cpu',
    allocator: allocatorOfProcess(),
    parameters: parameterCounts(config).total,
    batch,
    time,
  } as const;
  const stepper = makeStepper(config, variant, { batch, time });
  const wrong = wrongLoss(stepper, config, { batch, time });
  if (wrong !== undefined) {
    stepper.dispose();
    return { ...row, ok: false, failure: wrong };
  }
  const { peakBytes, result: loss } = measurePeak(() => stepper.gradients());
  keep.push(stepper);
  return { ...row, peak_bytes: peakBytes, loss: round(loss), ok: true };
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
function partsOf(stepper: Stepper, whole: number): Partial<TrainRow> {
  const forwards = Array.from({ length: PROFILES }, () => {
    const began = performance.now();
    stepper.forward();
    return performance.now() - began;
  });
  const [forward, optimizer] = [percentile(forwards, 0.5), percentile(stepper.updates, 0.5)];
  const profile = profileHost(stepper.step);
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

/** An activation for people. */
export function activationLabel(name: string): string {
  const row = activationOf(name);
  if (!isFused(row)) return row.label;
  const label = row.kernelName.replace(/^Fused/, '').replace('ReluSquared', 'Relu2');
  return isGated(row) ? `${label} (gated)` : label;
}
