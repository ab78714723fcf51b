import { setImmediate as nextTurn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { TokenSource } from 'polycom/data';
import { windowsInOrder } from 'polycom/data';
import type { Transformer } from 'polycom/model';
import { effectiveRank, singularValues } from './effective-rank.js';
import { Moments, type ValueStatistics } from './moments.js';

/** What is learned inside a model, and how it behaves there. */
export interface Dynamics {
  /** Tokens that were read for it. */
  readonly tokens: number;
  readonly layers: readonly LayerDynamics[];
  /**
   * The cosine between the streams behind two layers, the mean over tokens: symmetric, [layers + 1][layers + 1], where
   * index 0 is the embedding and index i is layer i - 1.
   */
  readonly similarity: readonly (readonly number[])[];
}

/** One layer's part of {@link Dynamics}. */
export interface LayerDynamics {
  /** By name within the layer, `mlp.activation.weight`: highest power first. Empty for an activation without any. */
  readonly coefficients: Readonly<Record<string, readonly number[]>>;
  /** By matrix, `up_proj`, `gate_proj`, `down_proj`; of a mixture, the mean over its experts. */
  readonly effectiveRank: Readonly<Record<string, EffectiveRank>>;
  /** Of the activation's argument; of a gated one, the gate. */
  readonly argument: ValueStatistics;
  /** Of what the activation gives, which `down_proj` takes. */
  readonly hidden: ValueStatistics;
}

/** A matrix's effective rank, and the most that its shape allows. */
export interface EffectiveRank {
  readonly value: number;
  readonly most: number;
}

/** How {@link measureDynamics} looks. */
export interface DynamicsOptions {
  /** Windows of the tokens that are read, evenly spread; 16. */
  readonly windows?: number;
  /** Tokens of a window; the model's context. */
  readonly time?: number;
}

/**
 * Looks into a model: its coefficients, the effective rank of its feed-forward matrices, what the activations take and
 * give, and how much the streams behind its layers are alike. Nothing is changed in it.
 *
 * @param source tokens to read, held-out ones say
 * @throws {PolycomError} `UNSUPPORTED` where the library of the singular value decomposition is not installed;
 *   `INVALID_ARGUMENT` where the tokens do not fill one window
 */
export async function measureDynamics(
  model: Transformer,
  source: TokenSource,
  { windows = 16, time = model.config.context }: DynamicsOptions = {},
): Promise<Dynamics> {
  const { layers, hidden } = model.config;
  const ranks = await effectiveRanks(model);
  const moments = Array.from({ length: layers }, () => ({
    argument: new Moments(hidden),
    hidden: new Moments(hidden),
  }));
  const similarity = new Similarity(layers + 1);
  for (const { inputs, rows } of windowsInOrder(source, { batch: 1, time, limit: windows })) {
    const tokens = tf.tensor2d(inputs, [rows, time], 'int32');
    const streams: Float32Array[] = [];
    model.observe(tokens, (part, x, layer) => {
      const values = x.dataSync<'float32'>();
      if (part === 'stream') streams[layer + 1] = values;
      else moments[layer]![part].add(values);
    });
    tokens.dispose();
    similarity.add(streams, model.config.width);
    await nextTurn();
  }
  return {
    tokens: similarity.tokens,
    layers: moments.map((seen, layer) => ({
      coefficients: coefficientsAt(model, layer),
      effectiveRank: ranks[layer]!,
      argument: seen.argument.statistics,
      hidden: seen.hidden.statistics,
    })),
    similarity: similarity.means,
  };
}

/** Parameters of a layer by their names in it. */
function parametersAt(model: Transformer, layer: number): [name: string, parameter: tf.Variable][] {
  const prefix = `model.layers.${layer}.`;
  return [...model.parameters]
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, parameter]) => [name.slice(prefix.length), parameter]);
}

function coefficientsAt(model: Transformer, layer: number): Record<string, number[]> {
  const found = parametersAt(model, layer).filter(([name]) => name.includes('.activation.'));
  return Object.fromEntries(found.map(([name, parameter]) => [name, [...parameter.dataSync()]]));
}

/** The effective ranks of each layer's feed-forward matrices. */
async function effectiveRanks(model: Transformer): Promise<Record<string, EffectiveRank>[]> {
  const ranks: Record<string, EffectiveRank>[] = [];
  for (let layer = 0; layer < model.config.layers; ++layer) {
    const kinds = new Map<string, EffectiveRank[]>();
    for (const [name, parameter] of parametersAt(model, layer)) {
      const kind = /^mlp\..*?(\w+_proj)\.weight$/.exec(name)?.[1];
      if (kind === undefined) continue;
      const [rows, columns] = parameter.shape as [number, number];
      const value = effectiveRank(singularValues(parameter.dataSync(), rows, columns));
      kinds.set(kind, [...(kinds.get(kind) ?? []), { value, most: Math.min(rows, columns) }]);
      await nextTurn();
    }
    ranks.push(Object.fromEntries([...kinds].map(([kind, list]) => [kind, meanOf(list)])));
  }
  return ranks;
}

function meanOf(ranks: readonly EffectiveRank[]): EffectiveRank {
  const sum = ranks.reduce((total, { value }) => total + value, 0);
  return { value: sum / ranks.length, most: ranks[0]!.most };
}

/** Adds up the cosines between streams. */
class Similarity {
  tokens = 0;
  readonly #sums: Float64Array;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    this.#sums = new Float64Array(count * count);
  }

  /** @param streams of each layer, rows of `width` */
  add(streams: readonly Float32Array[], width: number): void {
    const rows = streams[0]!.length / width;
    for (let row = 0; row < rows; ++row) {
      const vectors = streams.map((stream) => unit(stream.subarray(row * width, (row + 1) * width)));
      for (const [i, a] of vectors.entries()) {
        for (const [j, b] of vectors.entries()) {
          if (j <= i) this.#sums[i * this.#count + j]! += dot(a, b);
        }
      }
    }
    this.tokens += rows;
  }

  get means(): number[][] {
    const at = (i: number, j: number): number => this.#sums[Math.max(i, j) * this.#count + Math.min(i, j)]!;
    const indices = [...Array(this.#count).keys()];
    return indices.map((i) => indices.map((j) => at(i, j) / this.tokens));
  }
}

/** A vector over its length; 0 stays 0. */
function unit(vector: Float32Array): Float64Array {
  const wide = Float64Array.from(vector);
  const length = Math.sqrt(dot(wide, wide));
  return length === 0 ? wide : wide.map((value) => value / length);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i]! * b[i]!;
  return sum;
}
