import * as tf from '@tensorflow/tfjs-core';
import { uniform } from '../../common/random.js';
import { Decoder } from '../../generate/index.js';
import {
  type ActivationName,
  configOf,
  type PresetName,
  parameterCounts,
  Transformer,
} from '../../model/index.js';
import { unfused } from '../../op/run.js';
import { type OnStep, placeOfRows } from '../parts.js';
import { round, summarise } from '../statistics.js';
import { generationNeed, type MemoryPlan, type ModelContender, planMemory } from './memory.js';
import { relateModels } from './ratios.js';
import type { GenerateRow } from './types.js';

/** What generates, and how long it is measured. */
export interface GenerateJob {
  readonly preset: PresetName;
  readonly activations: readonly ActivationName[];
  readonly compared: readonly ActivationName[];
  readonly batches: readonly number[];
  /** Tokens of a prompt. */
  readonly length: number;
  /** Steps after it. */
  readonly steps: number;
  readonly rounds: number;
}

const LOGITS_BOUND = 1e-3;

/** What of a job fits the memory that is free now. */
export function planGeneration({ preset, activations, compared, ...job }: GenerateJob): MemoryPlan {
  const contenders = activations.flatMap((activation) => {
    const config = configOf(preset, { activation });
    const variants = compared.includes(activation) ? (['fused', 'stock'] as const) : (['fused'] as const);
    return variants.map((variant): ModelContender => ({ config, variant }));
  });
  const batch = Math.max(...job.batches);
  return planMemory(contenders, ({ config }) => generationNeed(config, batch, job.length, job.steps));
}

/**
 * Measures generation on the active backend: reading prompts, and the steps that follow. Contenders that are held
 * together take their turns.
 *
 * @param onRows is given all rows so far, whenever there are more
 */
export async function measureGeneration(
  job: GenerateJob,
  { groups }: MemoryPlan,
  onStep: OnStep,
  onRows: (rows: readonly GenerateRow[]) => void = () => undefined,
): Promise<GenerateRow[]> {
  const rows: GenerateRow[] = [];
  for (const batch of job.batches) {
    const before = rows.length;
    for (const group of groups) {
      const measured = await measureBatch(job, batch, group, onStep);
      const same = [...rows.splice(before), ...measured];
      rows.push(...relateModels(same, (a, b) => a.phase === b.phase));
      onRows(rows);
    }
  }
  return rows;
}

interface Contender {
  readonly row: Omit<GenerateRow, 'phase' | 'ok'>;
  readonly model: Transformer;
  readonly prefill: number[];
  readonly decode: number[];
  failure?: string;
}

async function measureBatch(
  job: GenerateJob,
  batch: number,
  together: readonly ModelContender[],
  onStep: OnStep,
): Promise<GenerateRow[]> {
  const { preset, length, steps, rounds } = job;
  const group = `generating with ${preset}, ${batch} × ${length} tokens`;
  const next = uniform(1);
  const contenders = together.map(({ config, variant }): Contender => {
    return {
      row: {
        preset,
        activation: config.activation,
        variant,
        backend: tf.getBackend(),
        ...placeOfRows(),
        parameters: parameterCounts(config).total,
        batch,
        length,
      },
      model: Transformer.create(config, { seed: 1 }),
      prefill: [],
      decode: [],
    };
  });
  try {
    const { vocabulary } = contenders[0]!.model.config;
    const prompts = Array.from({ length: batch }, () =>
      Array.from({ length }, () => Math.floor(next() * vocabulary)),
    );
    for (let n = -1; n < rounds; ++n) {
      for (const contender of contenders) {
        onStep(group, n < 0 ? 'warm-up' : `round ${n + 1}`);
        await run(contender, prompts, steps, n < 0);
      }
    }
  } finally {
    for (const { model } of contenders) model.dispose();
  }
  return contenders.flatMap(rowsOf);
}

/** Reads the prompts, then takes greedy steps. A composed model has each of its ops composed. */
async function run(
  contender: Contender,
  prompts: readonly number[][],
  steps: number,
  warmUp: boolean,
): Promise<void> {
  const { model, prefill, decode } = contender;
  const language = contender.row.variant === 'fused' ? model : composedModel(model);
  const began = performance.now();
  const { decoder, logits } = await Decoder.read(language, prompts, prompts[0]!.length + steps + 1);
  let last = logits;
  const read = performance.now();
  try {
    if (warmUp) checkLogits(contender, prompts[0]!, last[0]!);
    else prefill.push(read - began);
    for (let i = 0; i < steps; ++i) {
      const before = performance.now();
      last = await decoder.step(last.map(largest));
      if (!warmUp) decode.push(performance.now() - before);
    }
  } finally {
    decoder.dispose();
  }
}

function composedModel(model: Transformer): Pick<Transformer, 'config' | 'logits'> {
  return {
    config: model.config,
    logits: (tokens, cache, places) => unfused(() => model.logits(tokens, cache, places)),
  };
}

/** The logits after a prompt are those of the model without a cache, out of tf's own ops. */
function checkLogits(contender: Contender, prompt: readonly number[], got: Float32Array): void {
  const wanted = tf.tidy(() => {
    const tokens = tf.tensor2d([...prompt], [1, prompt.length], 'int32');
    const all = unfused(() => contender.model.logits(tokens)).dataSync<'float32'>();
    return all.slice(-got.length);
  });
  const most = wanted.reduce((size, value) => Math.max(size, Math.abs(value)), 0);
  const off = wanted.reduce((size, value, i) => Math.max(size, Math.abs(value - got[i]!)), 0);
  if (!(off <= LOGITS_BOUND * most)) contender.failure = `logits are off by ${off}, of ${most}`;
}

function largest(logits: Float32Array): number {
  return logits.reduce((best, value, i) => (value > logits[best]! ? i : best), 0);
}

function rowsOf({ row, prefill, decode, failure }: Contender): GenerateRow[] {
  if (failure !== undefined) {
    return (['prefill', 'decode'] as const).map((phase) => ({ ...row, phase, ok: false, failure }));
  }
  return [
    { ...row, phase: 'prefill', ...figures(prefill, row.batch * row.length), ok: true },
    { ...row, phase: 'decode', ...figures(decode, row.batch), ok: true },
  ];
}

function figures(samples: readonly number[], tokens: number): Partial<GenerateRow> {
  const timing = summarise(samples);
  return { ...timing, samples: samples.length, tok_per_s: round(tokens / (timing.ms_p50 / 1000)) };
}
