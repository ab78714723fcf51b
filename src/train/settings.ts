import { PolycomError } from '../errors.js';
import { excerpt } from '../excerpt.js';
import { type Field, type Fields, flag, notNegative, positive, real, whole } from '../model/check.js';
import type { Memory } from '../model/transformer.js';
import { unknownName } from '../options.js';
import type { Decay } from './schedule.js';

/** How a model is trained: all that decides the result beside the model, the data and the machine. */
export interface TrainSettings {
  /** Optimizer steps in all; 1000. The schedule of the learning rate ends there. */
  readonly steps: number;
  /** Windows of a batch; 8. */
  readonly batch: number;
  /** Tokens of a window; at most the model's context, which is the default. */
  readonly time: number;
  /** Batches whose gradients are averaged into one step; 1. */
  readonly accumulate: number;
  /** Of the first parameters, of the order of the data and of dropout; 0. */
  readonly seed: number;
  /** The highest; 1e-3. */
  readonly learningRate: number;
  /** At the last step, as a share of the highest; 0.1. */
  readonly finalShare: number;
  /** How the learning rate goes from the highest to the last; `cosine`. */
  readonly decay: Decay;
  /** Steps on which the learning rate rises from 0; a twentieth of all, at most 1000. */
  readonly warmup: number;
  /** Of matrices, decoupled (AdamW); 0.1. */
  readonly weightDecay: number;
  /** Whether the embedding decays too; false. */
  readonly decayEmbedding: boolean;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** The norm of all gradients together that is not exceeded; 1. 0 clips nothing. */
  readonly clip: number;
  /** What is kept of a block for its gradients; `block`. */
  readonly memory: Memory;
  /** With `block`: compute norms and activations again rather than keep them; false. */
  readonly recompute: boolean;
  /** Steps between evaluations on the held-out tokens; 100. 0 evaluates none. */
  readonly evalEvery: number;
  /** Batches of an evaluation, the same ones each time, evenly spread over the held-out tokens; 16. */
  readonly evalBatches: number;
  /**
   * Steps between checkpoints; 100. The last step is always saved, and so is one before its evaluation, unless that would
   * take more than a fifth of the time. 0 saves no others.
   */
  readonly saveEvery: number;
  /** Checkpoints that stay; 3. */
  readonly keep: number;
}

const share = real('a number from 0 to 1', (value) => value >= 0 && value <= 1);
const beta = real('a number from 0 to below 1', (value) => value >= 0 && value < 1);

function oneOf(...names: readonly string[]): Field {
  return { expected: `one of ${names.join(', ')}`, holds: (value) => names.includes(value as string) };
}

const FIELDS: Fields<TrainSettings> = {
  steps: whole(1),
  batch: whole(1),
  time: whole(1),
  accumulate: whole(1),
  seed: whole(0),
  learningRate: positive,
  finalShare: share,
  decay: oneOf('cosine', 'linear', 'constant'),
  warmup: whole(0),
  weightDecay: notNegative,
  decayEmbedding: flag,
  beta1: beta,
  beta2: beta,
  epsilon: positive,
  clip: notNegative,
  memory: oneOf('block', 'checkpoint', 'tape'),
  recompute: flag,
  evalEvery: whole(0),
  evalBatches: whole(1),
  saveEvery: whole(0),
  keep: whole(1),
};

/** Settings that may be left out or undefined. */
export type SomeSettings = { readonly [key in keyof TrainSettings]?: TrainSettings[key] | undefined };

/**
 * Fills in the defaults, and checks every setting.
 *
 * @param context the model's: the longest window, and the default one
 * @throws {PolycomError} `INVALID_ARGUMENT` that names the setting, what it is and what was expected
 */
export function settingsOf(given: SomeSettings, context: number): TrainSettings {
  const { steps = 1000 } = given;
  const defaults: TrainSettings = {
    steps,
    batch: 8,
    time: context,
    accumulate: 1,
    seed: 0,
    learningRate: 1e-3,
    finalShare: 0.1,
    decay: 'cosine',
    warmup: Math.min(1000, Math.floor(steps / 20)),
    weightDecay: 0.1,
    decayEmbedding: false,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    clip: 1,
    memory: 'block',
    recompute: false,
    evalEvery: 100,
    evalBatches: 16,
    saveEvery: 100,
    keep: 3,
  };
  const named = Object.entries(given).filter(([, value]) => value !== undefined);
  const settings: TrainSettings = { ...defaults, ...Object.fromEntries(named) };
  for (const name of Object.keys(settings)) {
    if (!Object.hasOwn(FIELDS, name)) throw unknownName('train', 'setting', name, Object.keys(FIELDS));
    const { expected, holds }: Field = FIELDS[name as keyof TrainSettings];
    const value = settings[name as keyof TrainSettings];
    if (!holds(value)) throw invalid(`${name} is ${excerpt(value)}; expected ${expected}`);
  }
  if (settings.warmup > settings.steps) {
    throw invalid(`warmup is ${settings.warmup}; expected at most the number of steps, ${settings.steps}`);
  }
  if (settings.time <= context) return settings;
  throw invalid(`time is ${settings.time}; expected at most the context of the model, ${context}`);
}

function invalid(message: string): PolycomError {
  return new PolycomError('INVALID_ARGUMENT', message, { op: 'training' });
}
