import * as tf from '@tensorflow/tfjs-core';
import { invalidArgument, type PolycomError } from '../common/errors.js';
import { belowOne, checkField, checkFields, type Fields, notNegative, whole } from '../common/fields.js';
import { inTensorflow } from '../common/tensorflow-error.js';
import { type AdamWTensors, adamWStep, squareSum } from '../transformer-ops/optimizer.js';

/** What AdamW is told once. */
export interface AdamWOptions {
  /** [0.9, 0.95] by default, as the paper's models have them. */
  readonly betas?: readonly [number, number];
  /** 1e-8 by default. */
  readonly epsilon?: number;
  /** Of the parameters that decay: 0.1 by default. */
  readonly weightDecay?: number;
  /** The largest norm of all gradients together, 1 by default; 0 for none. */
  readonly clip?: number;
  /** Which parameters decay: {@link decaysByDefault} by default. */
  readonly decays?: (name: string, parameter: tf.Tensor) => boolean;
}

/** What a step is told. */
export interface StepOptions {
  readonly learningRate: number;
  /** What gradients are multiplied by first, such as 1 / n for the mean of n: 1 by default. */
  readonly scale?: number;
}

const STEP_FIELDS: Fields<StepOptions> = { learningRate: notNegative, scale: notNegative };

/** What a step did. */
export interface StepResult {
  /** The norm of all gradients together, scaled, before clipping. */
  readonly gradientNorm: number;
  /** False where the norm is NaN or infinite: then nothing was changed. */
  readonly applied: boolean;
}

/** The optimizer's state, to be saved: the steps it took, and its moments by parameter name. */
export interface AdamWState {
  readonly step: number;
  readonly m: ReadonlyMap<string, Float32Array>;
  readonly v: ReadonlyMap<string, Float32Array>;
}

const DEFAULTS: Required<AdamWOptions> = {
  betas: [0.9, 0.95],
  epsilon: 1e-8,
  weightDecay: 0.1,
  clip: 1,
  decays: decaysByDefault,
};
const FIELDS: Fields<AdamWOptions> = {
  betas: {
    expected: 'two numbers from 0 to below 1',
    holds: (value) => Array.isArray(value) && value.length === 2 && value.every(belowOne.holds),
  },
  epsilon: notNegative,
  weightDecay: notNegative,
  clip: notNegative,
  decays: { expected: 'a function', holds: (value) => typeof value === 'function' },
};
const OP = 'AdamW';

/** Keeps a clipped norm just below its limit, as PyTorch does. */
const CLIP_EPSILON = 1e-6;

const EMBEDDING = 'model.embed_tokens.weight';

/**
 * Matrices decay; norms and the activations' coefficients do not, as in the paper's dense models, and neither does the
 * embedding unless it is asked for.
 */
export function decaysByDefault(name: string, parameter: tf.Tensor, embeddings: boolean = false): boolean {
  return parameter.rank === 2 && (embeddings || name !== EMBEDDING);
}

/**
 * AdamW over named parameters (Loshchilov and Hutter 2019, arXiv 1711.05101), with the gradients' global norm clipped:
 * g ← g · min(1, clip / (‖all g‖ + 1e-6)). Where the backend has the fused kernel, parameters are written in place.
 */
export class AdamW {
  readonly #parameters: ReadonlyMap<string, tf.Variable>;
  readonly #options: Required<AdamWOptions>;
  readonly #m = new Map<string, tf.Variable>();
  readonly #v = new Map<string, tf.Variable>();
  #step = 0;
  #disposed = false;

  /** @throws {PolycomError} `INVALID_ARGUMENT` for options out of range */
  constructor(parameters: ReadonlyMap<string, tf.Variable>, options: AdamWOptions = {}) {
    this.#parameters = parameters;
    this.#options = { ...DEFAULTS, ...options };
    checkFields(OP, 'option', this.#options, FIELDS);
    for (const [name, parameter] of parameters) {
      this.#m.set(name, zerosOf(parameter));
      this.#v.set(name, zerosOf(parameter));
    }
  }

  /** How many steps were taken. */
  get step(): number {
    return this.#step;
  }

  /**
   * Takes a step. The gradients stay the caller's.
   *
   * @param gradients float32, one of each parameter's shape, by name
   * @throws {PolycomError} `INVALID_ARGUMENT` for a gradient that is missing or does not fit, for a rate or a scale that
   *   is no finite number, and after {@link dispose}; `OUT_OF_MEMORY` where the machine has too little
   */
  apply(gradients: ReadonlyMap<string, tf.Tensor>, options: StepOptions): StepResult {
    return inTensorflow(() => this.#apply(gradients, options));
  }

  #apply(gradients: ReadonlyMap<string, tf.Tensor>, options: StepOptions): StepResult {
    const { learningRate, scale } = { scale: 1, ...options };
    checkFields('AdamW.apply', 'option', { scale, ...options }, STEP_FIELDS);
    const { betas, epsilon, weightDecay, clip, decays } = this.#options;
    if (this.#disposed) throw invalid('it has been disposed');
    const [decayed, others]: [AdamWTensors[], AdamWTensors[]] = [[], []];
    for (const [name, parameter] of this.#parameters) {
      const gradient = checkGradient(name, parameter, gradients.get(name));
      const group = weightDecay > 0 && decays(name, parameter) ? decayed : others;
      group.push({ parameter, gradient, m: this.#m.get(name)!, v: this.#v.get(name)! });
    }
    const all = [...decayed, ...others].map(({ gradient }) => gradient);
    const gradientNorm = Math.sqrt(tf.tidy(() => squareSum(all).dataSync()[0]!)) * Math.abs(scale);
    if (!Number.isFinite(gradientNorm)) return { gradientNorm, applied: false };
    const clipped = clip > 0 ? Math.min(1, clip / (gradientNorm + CLIP_EPSILON)) : 1;
    const rates = { learningRate, betas, epsilon, scale: scale * clipped, step: ++this.#step };
    if (decayed.length > 0) adamWStep(decayed, { ...rates, weightDecay });
    if (others.length > 0) adamWStep(others, { ...rates, weightDecay: 0 });
    return { gradientNorm, applied: true };
  }

  /** What {@link restore} takes. */
  state(): AdamWState {
    const values = (variables: ReadonlyMap<string, tf.Variable>) =>
      new Map(Array.from(variables, ([name, variable]) => [name, variable.dataSync<'float32'>().slice()]));
    return { step: this.#step, m: values(this.#m), v: values(this.#v) };
  }

  /**
   * Goes on from a state of an optimizer of the same parameters.
   *
   * @throws {PolycomError} `INVALID_ARGUMENT` where it is not; nothing has changed then
   */
  restore({ step, m, v }: AdamWState): void {
    if (this.#disposed) throw invalid('it has been disposed');
    checkField(OP, "the state's step", step, whole(0));
    const pairs = [[this.#m, m] as const, [this.#v, v] as const];
    for (const [variables, values] of pairs) {
      for (const [name, variable] of variables) {
        const given = values.get(name);
        if (given?.length !== variable.size) throw foreignState(name, given?.length, variable.shape);
      }
    }
    for (const [variables, values] of pairs) {
      for (const [name, variable] of variables)
        tf.tidy(() => variable.assign(tf.tensor(values.get(name)!.slice(), variable.shape)));
    }
    this.#step = step;
  }

  /** Disposes of the moments; the parameters are their owner's. */
  dispose(): void {
    this.#disposed = true;
    tf.dispose([...this.#m.values(), ...this.#v.values()]);
    this.#m.clear();
    this.#v.clear();
  }
}

function zerosOf({ shape, size }: tf.Variable): tf.Variable {
  // Values of its own: the fused step writes them in place.
  return inTensorflow(() => tf.tidy(() => tf.variable(tf.tensor(new Float32Array(size), shape), false)));
}

function checkGradient(name: string, parameter: tf.Tensor, gradient: tf.Tensor | undefined): tf.Tensor {
  if (gradient === undefined) throw invalid(`${name} has no gradient; expected one of [${parameter.shape}]`);
  if (gradient.isDisposed) throw invalid(`the gradient of ${name} has been disposed`);
  if (gradient.dtype === 'float32' && tf.util.arraysEqual(gradient.shape, parameter.shape)) return gradient;
  throw invalid(
    `${name} has a gradient of shape [${gradient.shape}] and dtype ${gradient.dtype}; ` +
      `expected one of [${parameter.shape}] and float32`,
  );
}

function invalid(message: string): PolycomError {
  return invalidArgument(message, { op: OP });
}

function foreignState(name: string, got: number | undefined, shape: readonly number[]): PolycomError {
  return invalidArgument(
    `the state has ${got === undefined ? 'no' : got} moments of ${name}; expected those of [${shape}]`,
    { op: OP, remedy: 'restore the state of an optimizer of the same model' },
  );
}
