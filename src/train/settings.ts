import { invalidArgument } from '../common/errors.js';
import {
  belowOne,
  checkFields,
  type Field,
  flag,
  notNegative,
  oneOf,
  positive,
  real,
  whole,
} from '../common/fields.js';
import { given } from '../common/objects.js';
import type { GradientMemory } from '../model/transformer.js';
import { type Decay, decays } from './schedule.js';

/** How a model is trained: all that decides the result beside the model, the data and the machine. */
export interface TrainSettings {
  /** Optimizer steps in all. The schedule of the learning rate ends there. */
  readonly steps: number;
  /** Windows of a batch. */
  readonly batch: number;
  /** Tokens of a window; at most the model's context, which is the default. */
  readonly time: number;
  /** Batches whose gradients are averaged into one step. */
  readonly accumulate: number;
  /** Of the first parameters, of the order of the data and of dropout. */
  readonly seed: number;
  /** The highest. */
  readonly learningRate: number;
  /** At the last step, as a share of the highest. */
  readonly finalShare: number;
  /** How the learning rate goes from the highest to the last. */
  readonly decay: Decay;
  /** Steps on which the learning rate rises from 0; by default a twentieth of all, at most 1000. */
  readonly warmup: number;
  /** Of matrices, decoupled (AdamW). */
  readonly weightDecay: number;
  /** Whether the embedding decays too. */
  readonly decayEmbedding: boolean;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** The norm of all gradients together that is not exceeded. 0 clips nothing. */
  readonly clip: number;
  /** What is kept of a block for its gradients. */
  readonly memory: GradientMemory;
  /** With `block`: compute norms and activations again rather than keep them. */
  readonly recompute: boolean;
  /** Steps between evaluations on the held-out tokens. 0 evaluates none. */
  readonly evalEvery: number;
  /** Batches of an evaluation, the same ones each time, evenly spread over the held-out tokens. */
  readonly evalBatches: number;
  /**
   * Steps between checkpoints. The last step is always saved, and so is one before its evaluation, unless that would take
   * more than a fifth of the time. 0 saves no others.
   */
  readonly saveEvery: number;
  /** Checkpoints that stay. */
  readonly keep: number;
}

/** What may be kept of a block for its gradients. */
export const memories: readonly GradientMemory[] = ['block', 'checkpoint', 'tape'];

type Depending = 'time' | 'warmup';
/** The default of a setting, and what it must be. */
type Rule<T> = readonly [value: T, field: Field];

const RULES: { readonly [name in Exclude<keyof TrainSettings, Depending>]: Rule<TrainSettings[name]> } = {
  steps: [1000, whole(1)],
  batch: [8, whole(1)],
  accumulate: [1, whole(1)],
  seed: [0, whole(0)],
  learningRate: [1e-3, positive],
  finalShare: [0.1, real('a number from 0 to 1', (value) => value >= 0 && value <= 1)],
  decay: ['cosine', oneOf(...decays)],
  weightDecay: [0.1, notNegative],
  decayEmbedding: [false, flag],
  beta1: [0.9, belowOne],
  beta2: [0.95, belowOne],
  epsilon: [1e-8, positive],
  clip: [1, notNegative],
  memory: ['block', oneOf(...memories)],
  recompute: [false, flag],
  evalEvery: [100, whole(0)],
  evalBatches: [16, whole(1)],
  saveEvery: [100, whole(0)],
  keep: [3, whole(1)],
};
const rules = Object.entries(RULES);
const FIELDS: Readonly<Record<string, Field>> = {
  ...Object.fromEntries(rules.map(([name, [, field]]) => [name, field])),
  ...{ time: whole(1), warmup: whole(0) },
};

/** The value of each setting that is left out, but for those that depend on others: `time` and `warmup`. */
export const defaultSettings: Readonly<Omit<TrainSettings, Depending>> = Object.fromEntries(
  rules.map(([name, [value]]) => [name, value]),
) as unknown as Omit<TrainSettings, Depending>;

/** Settings that may be left out or undefined. */
export type SomeSettings = { readonly [key in keyof TrainSettings]?: TrainSettings[key] | undefined };

/**
 * Fills in the defaults, and checks every setting.
 *
 * @param context the model's: the longest window, and the default one
 * @throws {PolycomError} `INVALID_ARGUMENT` that names the setting, what it is and what was expected
 */
export function settingsOf(some: SomeSettings, context: number): TrainSettings {
  const { steps = defaultSettings.steps } = some;
  const warmup = Math.min(1000, Math.floor(steps / 20));
  const settings: TrainSettings = { ...defaultSettings, time: context, warmup, ...given(some) };
  checkFields(OP, 'setting', settings, FIELDS);
  if (settings.warmup > settings.steps) {
    const most = `the number of steps, ${settings.steps}`;
    throw invalidArgument(`warmup is ${settings.warmup}; expected at most ${most}`, { op: OP });
  }
  if (settings.time <= context) return settings;
  const most = `the context of the model, ${context}`;
  throw invalidArgument(`time is ${settings.time}; expected at most ${most}`, { op: OP });
}

const OP = 'training';
