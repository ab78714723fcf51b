import * as tf from '@tensorflow/tfjs-core';
import type { TrainRow } from 'polycom/bench';
import {
  activateTensorflow,
  COMPARED_ACTIVATIONS,
  measureTraining,
  type OnStep,
  planTraining,
  withoutFolders,
} from 'polycom/bench';
import { type ActivationName, configOf, type PresetName } from 'polycom/model';
import { tensorflowStatus } from 'polycom/tensorflow';
import { type FlopsRow, flopsRows } from './flops.js';
import { analyticMemory, type MemoryRow, memoryRows, type StepMemoryRow, stepMemoryRow } from './memory.js';

export type { FlopsRow, Operations } from './flops.js';
export type { MemoryRow, StepMemoryRow, Way } from './memory.js';

/** What to measure. */
export interface CostOptions {
  /** A small model and few rounds. */
  readonly quick?: boolean;
  /** `small` by default, `tiny` where quick. */
  readonly preset?: PresetName;
  /** Sequences of a step, and tokens of each. */
  readonly batch?: number;
  readonly time?: number;
  /** The six that the paper compares, by default. */
  readonly activations?: readonly ActivationName[];
  readonly onStep?: OnStep;
}

/** What activations cost: plain data. What could not be measured is empty, and `notes` say why. */
export interface CostResult {
  readonly preset: string;
  readonly batch: number;
  readonly time: number;
  /** What the measurements ran on; null where there are none. */
  readonly backend: string | null;
  /** Arithmetic at the width of the preset, and at that of the paper's dense model. */
  readonly flops: readonly FlopsRow[];
  readonly flopsOfPaper: readonly FlopsRow[];
  /** Of the activation alone, at `memoryShape`. */
  readonly memory: readonly MemoryRow[];
  readonly memoryShape: { readonly rows: number; readonly cols: number };
  /** Of a training step. */
  readonly stepMemory: readonly StepMemoryRow[];
  /** Training steps timed in turns: milliseconds p20, p50, p80, and how many times as fast as with ReLU. */
  readonly steps: readonly TrainRow[];
  readonly notes: readonly string[];
}

const QUICK = { minRounds: 4, maxRounds: 12, budgetMs: 8_000 };
const FULL = { minRounds: 10, maxRounds: 40, budgetMs: 120_000 };
const PAPER_PRESET = 'dense-1.3b';

/** The cost of activations: arithmetic by formula; memory by formula and measured; training steps timed. */
export async function runCost(options: CostOptions = {}): Promise<CostResult> {
  const { quick = false, activations = COMPARED_ACTIVATIONS, onStep = () => undefined } = options;
  const preset = options.preset ?? (quick ? 'tiny' : 'small');
  const { batch = quick ? 4 : 8, time = quick ? 64 : 128 } = options;
  const { width } = configOf(preset);
  const shape = { rows: batch * time, cols: configOf(preset, { activation: 'relu' }).hidden };
  const common = {
    preset,
    batch,
    time,
    flops: flopsRows(activations, width),
    flopsOfPaper: flopsRows(activations, configOf(PAPER_PRESET).width),
    memoryShape: shape,
  };
  const refusal =
    tensorflowStatus.package === undefined ? tensorflowStatus.missing : await activateTensorflow();
  if (refusal !== undefined) {
    const notes = [`nothing measured: ${withoutFolders(String(refusal))}`];
    return {
      ...common,
      backend: null,
      memory: analyticMemory(activations),
      stepMemory: [],
      steps: [],
      notes,
    };
  }
  onStep('cost', 'memory of activations');
  const memory = memoryRows(activations, shape.rows, shape.cols, tensorflowStatus.fused);
  const stepMemory = activations.map((activation) => {
    onStep('cost', `memory of a step: ${activation}`);
    return stepMemoryRow(configOf(preset, { activation }), batch, time);
  });
  const effort = quick ? QUICK : FULL;
  const job = {
    preset,
    activations,
    compared: activations,
    variants: ['fused'],
    batch,
    time,
    effort,
  } as const;
  const plan = planTraining(job);
  const steps = await measureTraining(job, plan, onStep);
  const composed = tensorflowStatus.fused
    ? []
    : [`no fused ops: ${withoutFolders(tensorflowStatus.missing ?? '')}`];
  const notes = [...plan.notes, ...composed];
  return { ...common, backend: tf.getBackend(), memory, stepMemory, steps, notes };
}
