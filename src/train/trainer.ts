import { setImmediate as nextTurn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { type FloatTensor, type Json, type LoadedCheckpoint, saveCheckpoint } from '../checkpoint/folder.js';
import { invalidFile, PolycomError } from '../common/errors.js';
import { given } from '../common/objects.js';
import { Batches, type BatchesState } from '../data/batches.js';
import type { Data } from '../data/open.js';
import type { ModelConfig } from '../model/config.js';
import { Transformer } from '../model/transformer.js';
import { accumulate, type LossValues, notFinite } from './accumulate.js';
import { checkVocabulary, type Evaluation, evaluate, textTokenizer } from './evaluate.js';
import { AdamW, decaysByDefault } from './optimizer.js';
import { learningRateAt } from './schedule.js';
import type { TrainSettings } from './settings.js';
import { checkState, type DataIdentity, hashOfConfig, identityOf, type TrainState } from './state.js';

/** What a step did. Its losses are those before it, the means over its batches. */
export interface StepReport extends LossValues {
  /** Its number, from 1 on. */
  readonly step: number;
  /** Of all gradients together, before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly tokens: number;
  readonly seconds: number;
}

/** A checkpoint of a run. */
export interface SavedStep {
  readonly step: number;
  readonly folder: string;
}

/** A model in training on the active backend: takes steps, evaluates, saves itself. */
export class Trainer {
  readonly model: Transformer;
  readonly data: Data;
  readonly settings: TrainSettings;
  readonly identity: DataIdentity;
  readonly #optimizer: AdamW;
  readonly #batches: Batches;
  /** Where the next step's data begins: that of a step that failed is not behind it. */
  #position: BatchesState;
  #drawn = 0;
  #tokens = 0;
  /** False while a step changes the parameters: they belong to no step then. */
  #whole = true;
  #saved: SavedStep | undefined;

  private constructor(model: Transformer, data: Data, settings: TrainSettings, identity: DataIdentity) {
    this.model = model;
    this.data = data;
    this.settings = settings;
    this.identity = identity;
    this.#batches = new Batches(data.train, {
      batch: settings.batch,
      time: settings.time,
      seed: settings.seed,
    });
    this.#position = this.#batches.state;
    const { beta1, beta2, epsilon, weightDecay, clip, decayEmbedding } = settings;
    this.#optimizer = new AdamW(model.parameters, {
      betas: [beta1, beta2],
      epsilon,
      weightDecay,
      clip,
      decays: (name, parameter) => decaysByDefault(name, parameter, decayEmbedding),
    });
  }

  /**
   * Begins a run.
   *
   * @throws {PolycomError} `INVALID_ARGUMENT` where the data does not fit the model or the settings
   */
  static create(config: ModelConfig, data: Data, settings: TrainSettings): Trainer {
    checkVocabulary(config, data.train);
    const model = Transformer.create(config, { seed: settings.seed });
    return disposingOnError(model, () => new Trainer(model, data, settings, identityOf(data)));
  }

  /**
   * Goes on from a checkpoint.
   *
   * @throws {PolycomError} `INVALID_ARGUMENT` that names what differs, where it is of another model, other data, or
   *   settings that give the saved position another meaning; `INVALID_FILE` where it does not hold all that it must
   */
  static restore(
    checkpoint: LoadedCheckpoint,
    config: ModelConfig,
    data: Data,
    settings: TrainSettings,
  ): Trainer {
    checkVocabulary(config, data.train);
    const identity = identityOf(data);
    const state = checkState(checkpoint, { config, data: identity, settings });
    const { folder, step } = checkpoint;
    const { seed } = settings;
    const model = Transformer.from(config, (name) => valuesOf(checkpoint, 'model', name), { seed });
    return disposingOnError(model, () => {
      const trainer = new Trainer(model, data, settings, identity);
      const names = [...model.parameters.keys()];
      const moments = (which: string) =>
        new Map(names.map((name) => [name, valuesOf(checkpoint, 'optimizer', `${name}.${which}`)]));
      trainer.#optimizer.restore({ step, m: moments('m'), v: moments('v') });
      trainer.#batches.restore(state.position);
      trainer.#position = state.position;
      trainer.#drawn = state.drawn;
      trainer.#tokens = state.tokens;
      trainer.#saved = { step, folder };
      return trainer;
    });
  }

  /** Steps taken so far. */
  get step(): number {
    return this.#optimizer.step;
  }

  /** Tokens trained on so far. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Whether the model is that of a step: not where an error broke off the change from one to the next. */
  get isWhole(): boolean {
    return this.#whole;
  }

  /** Whether enough tokens are held out for an evaluation. */
  get canEvaluate(): boolean {
    return this.data.heldOut.length > this.settings.time;
  }

  /** The last checkpoint, be it saved or gone on from. */
  get saved(): SavedStep | undefined {
    return this.#saved;
  }

  /**
   * Takes a step.
   *
   * @throws {PolycomError} `NOT_FINITE` where the loss or the norm of the gradients is NaN or infinite: it names the
   *   step, the batch and the last checkpoint. The model is as it was before the step
   */
  async next(): Promise<StepReport> {
    const began = performance.now();
    const { batch, time, accumulate: count, memory, recompute } = this.settings;
    const step = this.step + 1;
    const from = this.#position;
    const { losses, gradients } = await accumulate(this.model, this.#batches, {
      count,
      time,
      memory,
      recompute,
      first: this.#drawn,
    }).catch((error: unknown) => this.#rethrow(error, step));
    const learningRate = this.#learningRate(step);
    this.#whole = false;
    const { gradientNorm, applied } = this.#optimizer.apply(gradients, { learningRate, scale: 1 / count });
    this.#whole = true;
    tf.dispose([...gradients.values()]);
    if (!applied) {
      this.#rethrow(
        notFinite(`the norm of the gradients is ${gradientNorm}`, from, this.#batches.state),
        step,
      );
    }
    const tokens = batch * time * count;
    this.#position = this.#batches.state;
    this.#drawn += count;
    this.#tokens += tokens;
    // A step on a CPU never waits by itself: let the process see signals.
    await nextTurn();
    const seconds = (performance.now() - began) / 1000;
    return { step, ...losses, gradientNorm, learningRate, tokens, seconds };
  }

  /**
   * Evaluates the model on held-out tokens, always the same ones. Nothing where too few are held out.
   *
   * @param signal ends it between two batches, by throwing its reason
   */
  async evaluate(signal?: AbortSignal): Promise<Evaluation | undefined> {
    const { batch, time, evalBatches } = this.settings;
    const { heldOut } = this.data;
    if (!this.canEvaluate) return undefined;
    const options = { batch, time, batches: evalBatches, ...textTokenizer(this.data), signal };
    return await evaluate(this.model, heldOut, given(options));
  }

  /**
   * Saves a checkpoint into a run's folder, from which {@link restore} goes on as if nothing had happened.
   *
   * @throws {PolycomError} `FILE_ERROR` where the system refuses
   */
  async save(run: string): Promise<SavedStep> {
    const { config, parameters } = this.model;
    const { step } = this;
    const { m, v } = this.#optimizer.state();
    const optimizer = new Map<string, FloatTensor>();
    const model = new Map<string, FloatTensor>();
    for (const [name, variable] of parameters) {
      const { shape } = variable;
      model.set(name, { shape, data: await variable.data<'float32'>() });
      optimizer.set(`${name}.m`, { shape, data: m.get(name)! });
      optimizer.set(`${name}.v`, { shape, data: v.get(name)! });
    }
    const state: TrainState = {
      schema: 1,
      configHash: hashOfConfig(config),
      data: this.identity,
      position: this.#position,
      drawn: this.#drawn,
      tokens: this.#tokens,
      settings: this.settings,
    };
    const json = <T>(value: T): Json => value as unknown as Json;
    const checkpoint = { model, optimizer, state: json(state), config: json(config) };
    const folder = await saveCheckpoint(run, step, checkpoint, { keep: this.settings.keep });
    this.#saved = { step, folder };
    return this.#saved;
  }

  /** Disposes of the model's and the optimizer's tensors; the data stays open. */
  dispose(): void {
    this.#optimizer.dispose();
    this.model.dispose();
  }

  #learningRate(step: number): number {
    const { learningRate, finalShare, warmup, steps, decay } = this.settings;
    const schedule = { peak: learningRate, floor: learningRate * finalShare, warmup, steps, decay };
    return learningRateAt(schedule, step);
  }

  /** Adds to an error of a step that diverged which step it was, and what is left of the run. */
  #rethrow(error: unknown, step: number): never {
    if (!(error instanceof PolycomError && error.code === 'NOT_FINITE')) throw error;
    const left =
      this.#saved === undefined ? 'no checkpoint yet' : `the last checkpoint is ${this.#saved.folder}`;
    throw new PolycomError('NOT_FINITE', `step ${step}: ${error.message}; ${left}`, {
      cause: error,
      remedy:
        'a lower learning rate, a longer warm-up or tighter clipping; then the same command goes on from there',
    });
  }
}

function valuesOf(checkpoint: LoadedCheckpoint, part: 'model' | 'optimizer', name: string): Float32Array {
  const found = checkpoint[part].get(name);
  if (found !== undefined) return found.data;
  throw invalidFile(
    checkpoint.folder,
    `its ${part} lacks ${name}`,
    'go on from another checkpoint, or train anew',
  );
}

function disposingOnError<T>(model: Transformer, make: () => T): T {
  try {
    return make();
  } catch (error) {
    model.dispose();
    throw error;
  }
}
