import { setImmediate as nextTurn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { type FloatTensor, type Json, type LoadedCheckpoint, saveCheckpoint } from '../checkpoint/folder.js';
import { type Batch, Batches, type BatchesState } from '../data/batches.js';
import type { Data } from '../data/open.js';
import { PolycomError } from '../errors.js';
import type { ModelConfig } from '../model/config.js';
import { Transformer } from '../model/transformer.js';
import { type Evaluation, evaluate, textTokenizer } from './evaluate.js';
import { AdamW } from './optimizer.js';
import type { TrainSettings } from './settings.js';
import { checkState, type DataIdentity, hashOfConfig, identityOf, type TrainState } from './state.js';

/** What a step did. */
export interface StepReport {
  /** Its number, from 1 on. */
  readonly step: number;
  /** Before the step, the mean over its batches: cross-entropy, and a mixture's losses with their weights. */
  readonly loss: number;
  readonly crossEntropy: number;
  /** A mixture's load-balance and router-z losses, the means over layers. */
  readonly balance?: number;
  readonly z?: number;
  /** Of all gradients together, before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly tokens: number;
  readonly seconds: number;
}

type LossName = 'loss' | 'crossEntropy' | 'balance' | 'z';

/** A model in training on the active backend: takes steps, evaluates, saves itself. */
export class Trainer {
  readonly model: Transformer;
  readonly settings: TrainSettings;
  readonly data: Data;
  readonly identity: DataIdentity;
  readonly #optimizer: AdamW;
  readonly #batches: Batches;
  #step = 0;
  #drawn = 0;
  #tokens = 0;
  #saved: { readonly step: number; readonly folder: string } | undefined;

  private constructor(model: Transformer, data: Data, settings: TrainSettings, identity = identityOf(data)) {
    checkVocabulary(model.config, data);
    this.model = model;
    this.data = data;
    this.settings = settings;
    this.identity = identity;
    this.#batches = new Batches(data.train, settings);
    this.#optimizer = new AdamW(model.parameters, settings);
  }

  /**
   * Begins.
   *
   * @throws {PolycomError} `INVALID_ARGUMENT` where the data does not fit the model or the settings
   */
  static create(config: ModelConfig, data: Data, settings: TrainSettings): Trainer {
    return built(Transformer.create(config, settings), (model) => new Trainer(model, data, settings));
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
    const identity = identityOf(data);
    const state = checkState(checkpoint, { config, data: identity, settings });
    const { folder, step } = checkpoint;
    const values = (name: string): Float32Array => {
      const found = checkpoint.model.get(name);
      if (found !== undefined) return found.data;
      throw new PolycomError('INVALID_FILE', `${folder}: its weights lack ${name}`);
    };
    return built(Transformer.from(config, values, settings), (model) => {
      const trainer = new Trainer(model, data, settings, identity);
      trainer.#optimizer.restore(checkpoint.optimizer, step);
      trainer.#batches.restore(state.position);
      trainer.#step = step;
      trainer.#drawn = state.drawn;
      trainer.#tokens = state.tokens;
      trainer.#saved = { step, folder };
      return trainer;
    });
  }

  /** Steps taken so far. */
  get step(): number {
    return this.#step;
  }

  /** Tokens trained on so far. */
  get tokens(): number {
    return this.#tokens;
  }

  /** The folder of the last checkpoint, and its step. */
  get saved(): { readonly step: number; readonly folder: string } | undefined {
    return this.#saved;
  }

  /**
   * Takes a step.
   *
   * @throws {PolycomError} `NOT_FINITE` where the loss or a gradient is NaN or infinite: it names the step, the batch
   *   and the last checkpoint
   */
  async next(): Promise<StepReport> {
    const began = performance.now();
    const from = this.#batches.state;
    const { losses, gradients } = await this.#gradients();
    const learningRate = this.#schedule(this.#step);
    const gradientNorm = await this.#optimizer.step(gradients, learningRate);
    const tokens = batch * time * accumulate;
    ++this.#step;
    this.#tokens += tokens;
    await nextTurn();
    return { step: this.#step, ...losses, gradientNorm, learningRate, tokens, seconds: (performance.now() - began) / 1000 };
  }

  /** Evaluates the model on held-out tokens: always the same ones. Nothing where none are held out. */
  async evaluate(): Promise<Evaluation | undefined> {
    const { batch, time, evalBatches } = this.settings;
    const { heldOut } = this.data;
    if (heldOut.length <= time) return undefined;
    return await evaluate(this.model, heldOut, { batch, time, batches: evalBatches, ...textTokenizer(this.data) });
  }

  /**
   * Saves a checkpoint into a run's folder, from which {@link restore} goes on as if nothing had happened.
   *
   * @returns its folder
   * @throws {PolycomError} `FILE_ERROR` where the system refuses
   */
  async save(run: string): Promise<string> {
    const { seed: _, ...settings } = this.settings;
    const state: TrainState = {
      schema: 1,
      configHash: hashOfConfig(this.model.config),
      data: this.identity,
      position: this.#batches.state,
      drawn: this.#drawn,
      tokens: this.#tokens,
      settings: this.settings,
    };
    const folder = await saveCheckpoint(
      run,
      this.#step,
      {
        model: await floatsOf(this.model.parameters),
        optimizer: await floatsOf(this.#optimizer.tensors),
        state: state as unknown as Json,
        config: this.model.config as unknown as Json,
      },
      { keep: this.settings.keep },
    );
    this.#saved = { step: this.#step, folder };
    return folder;
  }

  /** Disposes of the model's and the optimizer's tensors; the data stays open. */
  dispose(): void {
    this.#optimizer.dispose();
    this.model.dispose();
  }
