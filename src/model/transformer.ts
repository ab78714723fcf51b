import * as tf from '@tensorflow/tfjs-core';
import { given } from '../common/objects.js';
import { checkNames, type Names } from '../common/options.js';
import { inTensorflow } from '../common/tensorflow-error.js';
import { embedding } from '../transformer-ops/index.js';
import { block } from './block.js';
import { handwrittenBlock } from './block-gradient.js';
import { checkConfig } from './check.js';
import type { ModelConfig } from './config.js';
import {
  drop,
  EMBEDDING_SITE,
  type ForwardPass,
  type KeyValueCache,
  type LayerPass,
  type Observer,
} from './forward-pass.js';
import { type HeadWeights, headLogits, headLossWith, headScores, rowsOf, type TokenScores } from './head.js';
import { checkTargetCount, checkTargets, checkTokens } from './inputs.js';
import {
  createParameters,
  initialValues,
  type LayerParameters,
  layersOf,
  type ParameterSource,
  type Parameters,
  parameterAt,
} from './parameters.js';
import { Positions } from './positions.js';
import { checkpoint } from './recompute.js';

/**
 * What the tape keeps of a block: `tape` everything, as tfjs does; `checkpoint` its input, from which the block runs
 * again; `block` what its hand-written gradient needs.
 */
export type GradientMemory = 'tape' | 'checkpoint' | 'block';

/** How a loss is computed, for its gradients. */
export interface LossOptions {
  /** `block` by default. */
  readonly memory?: GradientMemory;
  /**
   * With `block` alone: whether the outputs of norms and activations are computed again rather than kept, which takes
   * a little time and saves about a quarter of the peak. False by default.
   */
  readonly recompute?: boolean;
  /** The number of the step, which chooses what dropout drops. Without one nothing is dropped. */
  readonly step?: number;
}

const LOSS_OPTIONS: Names<LossOptions> = { memory: true, recompute: true, step: true };

/** What a model may be told as it is made. */
interface SeedOptions {
  readonly seed?: number;
}

const SEED_OPTIONS: Names<SeedOptions> = { seed: true };

/** The loss and what it is made of (a type, as tf.tidy takes no interface); `balance` and `z` of a mixture alone, the means over layers. */
export type Losses = {
  /** Cross-entropy, and a mixture's losses with their weights: what is trained on. In nats a token. */
  readonly loss: tf.Scalar;
  readonly crossEntropy: tf.Scalar;
  readonly balance?: tf.Scalar;
  readonly z?: tf.Scalar;
};

/** A decoder in the manner of LLaMA, dense or a mixture of experts, on whatever backend is active. */
export class Transformer {
  readonly config: ModelConfig;
  /** By name, in the order of `parameterShapes`. Each has its own memory, which an optimizer may change in place. */
  readonly parameters: Parameters;
  readonly #seed: number;
  readonly #layers: readonly LayerParameters[];
  readonly #head: HeadWeights;
  readonly #positions: Positions;

  private constructor(config: ModelConfig, seed: number, source: ParameterSource) {
    this.config = checkConfig(config);
    this.#seed = seed;
    this.parameters = createParameters(config, source);
    this.#layers = layersOf(config, this.parameters);
    const output = config.tied ? 'model.embed_tokens.weight' : 'lm_head.weight';
    this.#head = {
      norm: parameterAt(this.parameters, 'model.norm.weight'),
      output: parameterAt(this.parameters, output),
    };
    this.#positions = new Positions(config);
  }

  /**
   * A model as training begins with it, on the active backend.
   *
   * @param options.seed of its values and of its dropout; 0 by default
   * @throws {PolycomError} `INVALID_ARGUMENT` for a configuration that {@link checkConfig} refuses
   */
  static create(config: ModelConfig, options: SeedOptions = {}): Transformer {
    checkNames('Transformer.create', options, SEED_OPTIONS);
    const { seed = 0 } = options;
    return inTensorflow(() => new Transformer(config, seed, initialValues(checkConfig(config), seed)));
  }

  /**
   * A model of given values, on the active backend.
   *
   * @param source of each parameter's values, row-major; the array becomes the parameter's own
   * @param options.seed of its dropout; 0 by default
   * @throws {PolycomError} `INVALID_ARGUMENT` for such a configuration, or values of the wrong number
   */
  static from(config: ModelConfig, source: ParameterSource, options: SeedOptions = {}): Transformer {
    checkNames('Transformer.from', options, SEED_OPTIONS);
    const { seed = 0 } = options;
    return inTensorflow(() => new Transformer(checkConfig(config), seed, source));
  }

  /**
   * The logits of each next token.
   *
   * @param tokens int32 [B, T], each from 0 to below `vocabulary`; T at most `context`
   * @param cache of the tokens before these; extended by these, but for its `start`
   * @param places of one token in each sequence, behind which alone they are wanted: B numbers below T
   * @returns float32 [B, T, vocabulary]; [B, 1, vocabulary] with places
   * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape; `OUT_OF_MEMORY` where the batch is too large
   */
  logits(tokens: tf.Tensor2D, cache?: KeyValueCache, places?: readonly number[]): tf.Tensor3D {
    checkTokens(tokens, this.config);
    return tidied(() => {
      const pass = this.#pass(tokens, undefined, cache);
      const { batch, time } = pass;
      const { x } = this.#stream(tokens, pass, { memory: 'tape' });
      const rows =
        places === undefined
          ? x
          : rowsOf(
              x,
              places.map((place, row) => row * time + place),
            );
      const logits = headLogits(rows, this.#head, this.config.normEpsilon);
      return tf.reshape(logits, [batch, places === undefined ? time : 1, this.config.vocabulary]);
    });
  }

  /**
   * How well the model foretells tokens, in memory that does not grow with tokens times vocabulary: no gradients.
   *
   * @param tokens int32 [B, T], as for {@link logits}
   * @param targets B T numbers: of each token the one that follows; -1 for none, which is not scored
   * @param options.best whether the most probable tokens are wanted
   * @returns for each target, in order, its cross-entropy in nats, and the most probable token in its place
   * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape; `OUT_OF_MEMORY` where the batch is too large
   */
  score(
    tokens: tf.Tensor2D,
    targets: Int32Array,
    { best = false }: { readonly best?: boolean } = {},
  ): TokenScores {
    checkTokens(tokens, this.config);
    checkTargetCount(targets, tokens);
    return tidied(() => {
      const { x } = this.#stream(tokens, this.#pass(tokens, undefined), {});
      return headScores(x, this.#head, targets, this.config.normEpsilon, best);
    });
  }

  /**
   * Shows the inside of the model while it reads: of every layer the activation's argument and output, and the stream
   * behind it. Nothing is dropped, and nothing is left.
   *
   * @param tokens int32 [B, T], as for {@link logits}
   * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape; `OUT_OF_MEMORY` where the batch is too large
   */
  observe(tokens: tf.Tensor2D, observer: Observer): void {
    checkTokens(tokens, this.config);
    tidied(() => {
      this.#stream(tokens, { ...this.#pass(tokens, undefined), observer }, { memory: 'tape' });
    });
  }

  /**
   * The loss on a batch, differentiably: the mean over all tokens.
   *
   * @param tokens int32 [B, T]
   * @param targets int32 [B, T]: of each token the one that follows; -1 for none, which counts as a loss of 0
   * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape; `OUT_OF_MEMORY` where the batch is too large
   */
  loss(tokens: tf.Tensor2D, targets: tf.Tensor2D, options: LossOptions = {}): Losses {
    checkNames('model', options, LOSS_OPTIONS);
    checkTokens(tokens, this.config);
    checkTargets(targets, tokens);
    return tidied(() => {
      const { x, balances, zs } = this.#stream(tokens, this.#pass(tokens, options.step), options);
      const labels = tf.reshape(targets, [targets.size]) as tf.Tensor1D;
      const crossEntropy = headLossWith(x, this.#head, labels, this.config.normEpsilon, options);
      const { experts, layers } = this.config;
      if (experts === undefined) return { loss: crossEntropy, crossEntropy };
      const [balance, z] = [balances, zs].map((list) => tf.div(tf.addN(list), layers)) as [
        tf.Scalar,
        tf.Scalar,
      ];
      const extra = tf.add(tf.mul(balance, experts.balanceWeight), tf.mul(z, experts.zWeight));
      return { loss: tf.add(crossEntropy, extra) as tf.Scalar, crossEntropy, balance, z };
    });
  }

  /**
   * The loss on a batch and its gradients.
   *
   * @returns the losses as {@link loss} gives them, and a gradient for each parameter, in their order: new tensors
   * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype or shape; `OUT_OF_MEMORY` where the batch is too large
   */
  gradients(
    tokens: tf.Tensor2D,
    targets: tf.Tensor2D,
    options: LossOptions = {},
  ): Losses & { readonly gradients: Map<string, tf.Tensor> } {
    const variables = [...this.parameters.values()];
    const [losses, gradients] = tidied(() => {
      let kept: Losses | undefined;
      const { grads } = tf.engine().gradients(
        () => {
          kept = this.loss(tokens, targets, options);
          for (const tensor of Object.values(kept)) tf.keep(tensor); // beyond the tape's own tidy
          return kept.loss;
        },
        variables,
        undefined as unknown as tf.Tensor,
        true,
      );
      const found = grads as (tf.Tensor | null | undefined)[];
      return [released(kept!), variables.map((variable, i) => found[i] ?? tf.zerosLike(variable))];
    });
    const names = [...this.parameters.keys()];
    return { ...losses, gradients: new Map(names.map((name, i) => [name, gradients[i]!])) };
  }

  /** Disposes of all parameters. */
  dispose(): void {
    for (const variable of this.parameters.values()) variable.dispose();
    this.#positions.dispose();
  }

  #stream(
    tokens: tf.Tensor2D,
    pass: ForwardPass,
    options: LossOptions,
  ): { x: tf.Tensor; balances: tf.Tensor[]; zs: tf.Tensor[] } {
    const table = parameterAt(this.parameters, 'model.embed_tokens.weight');
    let x = drop(embedding(table, tf.reshape(tokens, [tokens.size])), EMBEDDING_SITE, pass);
    pass.observer?.('stream', x, -1);
    const [balances, zs]: [tf.Tensor[], tf.Tensor[]] = [[], []];
    for (const [layer, parameters] of this.#layers.entries()) {
      const [y, balance, z] = runBlock(x, { ...pass, layer, parameters, memo: {} }, options);
      x = y!;
      if (balance !== undefined) balances.push(balance);
      if (z !== undefined) zs.push(z);
    }
    return { x, balances, zs };
  }

  #pass(tokens: tf.Tensor2D, step: number | undefined, cache?: KeyValueCache): ForwardPass {
    const [batch, time] = tokens.shape;
    return {
      config: this.config,
      batch,
      time,
      start: cache?.start ?? this.#positions.start(batch),
      table: this.#positions.table(cache?.capacity ?? time),
      ...given({ cache, drops: step === undefined ? undefined : { seed: this.#seed, step } }),
    };
  }
}

function runBlock(
  x: tf.Tensor,
  pass: LayerPass,
  { memory = 'block', recompute = false }: LossOptions,
): tf.Tensor[] {
  if (memory === 'tape') return block(x, pass);
  if (memory === 'block') return handwrittenBlock(x, pass, recompute);
  const names = [...pass.parameters.keys()];
  const f = (...[rows, ...values]: tf.Tensor[]) =>
    block(rows!, { ...pass, parameters: new Map(names.map((name, i) => [name, values[i]!])) });
  return checkpoint(f, [x, ...pass.parameters.values()]);
}

/** Runs work as `tf.tidy` does, and types what TensorFlow throws: a batch may be too large for the memory. */
function tidied<T extends tf.TensorContainer>(work: () => T): T {
  return inTensorflow(() => tf.tidy(work));
}

/** Losses that were kept, as tensors of the scope around. */
function released(losses: Losses): Losses {
  const copies = Object.entries(losses).map(([name, tensor]) => [name, tf.clone(tensor as tf.Scalar)]);
  for (const tensor of new Set<tf.Tensor>(Object.values(losses))) tensor.dispose();
  return Object.fromEntries(copies) as unknown as Losses;
}
