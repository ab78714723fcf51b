import * as tf from '@tensorflow/tfjs-core';
import { murmurMix, upperHalf } from '../common/random.js';
import { runBackward, runForward } from '../op/run.js';
import { dropoutOp } from '../transformer-ops/dropout.js';
import { dropout } from '../transformer-ops/index.js';
import type { ModelConfig } from './config.js';
import type { LayerParameters } from './parameters.js';
import type { RoutingMemo } from './routing.js';

/** The keys and values of the tokens that a model has read, which the tokens to come look back at. */
export interface KeyValueCache {
  /** How many tokens each sequence has read: int32 [B]. The next token's position. */
  readonly start: tf.Tensor1D;
  /** The most tokens of a sequence: positions are below it. */
  readonly capacity: number;
  /**
   * Takes a layer's keys and values of the new tokens, [B, T, kvHeads, headWidth], and gives those of all tokens up to
   * them, [B, S, kvHeads, headWidth]. The tensors it gives are the cache's.
   */
  extend(layer: number, k: tf.Tensor4D, v: tf.Tensor4D): { readonly k: tf.Tensor4D; readonly v: tf.Tensor4D };
}

/**
 * What can be seen of a layer: the stream behind it, [B T, width]; the activation's argument (of a gated one, the gate)
 * and its output, [rows, hidden], where rows are B T, or what a mixture's experts serve, in one piece or several.
 */
export type Observed = 'stream' | 'argument' | 'hidden';

/**
 * Sees tensors as they are made, which are the run's: they are not disposed of, and are gone when it ends. Layer -1 is the
 * embedding, of which there is the stream alone.
 */
export type Observer = (part: Observed, x: tf.Tensor, layer: number) => void;

/** One run of the model over B sequences of T tokens: what every block is told beside its input, [B T, width]. */
export interface ForwardPass {
  readonly config: ModelConfig;
  readonly batch: number;
  readonly time: number;
  /** The position of each sequence's first token: int32 [B]. */
  readonly start: tf.Tensor1D;
  /** cos and sin by position: [positions, headWidth], of every position that is met. */
  readonly table: tf.Tensor2D;
  /** Which run this is, of those that drop: a whole number, and one of 32 bits. None where nothing is dropped. */
  readonly drops?: { readonly seed: number; readonly step: number };
  readonly cache?: KeyValueCache;
  readonly observer?: Observer;
}

/** A run in one layer. */
export interface LayerPass extends ForwardPass {
  readonly layer: number;
  /** By their names in the layer. */
  readonly parameters: LayerParameters;
  /** The experts that a mixture chooses. */
  readonly memo: RoutingMemo;
}

/** What a feed-forward network is told of it. */
export type NetworkPass = Pick<LayerPass, 'config' | 'layer' | 'parameters' | 'observer'>;

/** The places that drop: the embedding, then a layer's two branches. */
export const EMBEDDING_SITE = 0;
export function branchSite(layer: number, branch: 0 | 1): number {
  return 1 + 2 * layer + branch;
}

/**
 * Drops in training, differentiably. The mask is that of the run and the place, so that a run that is repeated to get
 * its gradients drops the same.
 */
export function drop(x: tf.Tensor, site: number, { config, drops }: ForwardPass): tf.Tensor {
  if (drops === undefined || config.dropout === 0) return x;
  return tf.tidy(() => dropout(x, seedOf(site, drops), { rate: config.dropout }));
}

/** As {@link drop}, off any tape; x itself where nothing is dropped. */
export function dropForward(x: tf.Tensor, site: number, { config, drops }: ForwardPass): tf.Tensor {
  if (drops === undefined || config.dropout === 0) return x;
  return tf.tidy(() => runForward(dropoutOp, [x, seedOf(site, drops)], { rate: config.dropout })[0]!);
}

/** The gradient of {@link dropForward} for x from that for its result, of which it takes possession. */
export function dropBackward(dy: tf.Tensor, site: number, { config, drops }: ForwardPass): tf.Tensor {
  if (drops === undefined || config.dropout === 0) return dy;
  return tf.tidy(() => runBackward(dropoutOp, [seedOf(site, drops)], [dy], { rate: config.dropout })[0]!);
}

function seedOf(site: number, { seed, step }: { seed: number; step: number }): tf.Tensor1D {
  const place = murmurMix(Math.imul(site + 1, 0x9e3779b9));
  const upper = Math.imul(murmurMix(upperHalf(seed)), 0x85ebca77); // 0 for a seed of 32 bits
  return tf.tensor1d(Int32Array.of(murmurMix(seed) ^ upper ^ place, step), 'int32');
}
