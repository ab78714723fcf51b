import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../model/config.js';
import type { KeyValueCache } from '../model/forward-pass.js';
import { KeyValueBuffers } from './kv-cache.js';

/** What generation wants of a model: a `Transformer`. */
export interface LanguageModel {
  readonly config: Pick<ModelConfig, 'vocabulary' | 'context' | 'layers' | 'kvHeads' | 'headWidth'>;
  /** Places are one of each sequence, whose logits are enough; a model may give those of all. */
  logits(tokens: tf.Tensor2D, cache?: KeyValueCache, places?: readonly number[]): tf.Tensor3D;
}

/** So many tokens of a prompt are read at a time. */
const CHUNK = 512;

/** Reads sequences of different lengths, then goes on with all of them, a token of each at a time. */
export class Decoder {
  readonly #model: LanguageModel;
  readonly #cache: KeyValueBuffers;

  private constructor(model: LanguageModel, cache: KeyValueBuffers) {
    this.#model = model;
    this.#cache = cache;
  }

  /**
   * Reads prompts, equal ones once.
   *
   * @param prompts of one token or more each
   * @param capacity the most tokens of a sequence, its prompt's included
   * @returns the logits of each sequence's next token: [vocabulary] each
   */
  static async read(
    model: LanguageModel,
    prompts: readonly (readonly number[])[],
    capacity: number,
  ): Promise<{ decoder: Decoder; logits: Float32Array[] }> {
    const places = new Map<string, number>();
    const different = prompts.filter((prompt) => {
      const key = String(prompt);
      const isNew = !places.has(key);
      if (isNew) places.set(key, places.size);
      return isNew;
    });
    const rows = prompts.map((prompt) => places.get(String(prompt))!);
    const cache = new KeyValueBuffers(model.config, different.length, capacity);
    const decoder = new Decoder(model, cache);
    try {
      const logits = await decoder.#readChunks(different);
      cache.select(rows);
      return { decoder, logits: rows.map((row) => logits[row]!) };
    } catch (error) {
      cache.dispose();
      throw error;
    }
  }

  /** How many tokens of each sequence the cache holds. */
  get lengths(): readonly number[] {
    return this.#cache.lengths;
  }

  /** Appends a token to each sequence, and gives the logits of each one's next. */
  step(tokens: readonly number[]): Promise<Float32Array[]> {
    return this.#run(
      tokens.map((token) => [token]),
      1,
    );
  }

  /** Goes on with these sequences alone, in this order. */
  select(rows: readonly number[]): void {
    this.#cache.select(rows);
  }

  /** Makes a sequence consist of these tokens, as if there had never been others before them. */
  async restart(row: number, tokens: readonly number[]): Promise<void> {
    const { decoder } = await Decoder.read(this.#model, [tokens], this.#cache.capacity);
    this.#cache.replace(row, decoder.#cache);
    decoder.dispose();
  }

  dispose(): void {
    this.#cache.dispose();
  }

  async #readChunks(prompts: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const last = new Array<Float32Array>(prompts.length);
    const longest = Math.max(...prompts.map(({ length }) => length));
    for (let from = 0; from < longest; from += CHUNK) {
      const to = Math.min(from + CHUNK, longest);
      const logits = await this.#run(
        prompts.map((prompt) => prompt.slice(from, to)),
        to - from,
      );
      for (const [row, { length }] of prompts.entries()) if (from < length) last[row] = logits[row]!;
    }
    return last;
  }

  /** Appends each list's tokens, which may be none; gives the logits after the last of each. */
  async #run(lists: readonly (readonly number[])[], time: number): Promise<Float32Array[]> {
    const batch = lists.length;
    const tokens = new Int32Array(batch * time); // filled up with a token that there always is
    for (const [row, list] of lists.entries()) tokens.set(list, row * time);
    const places = lists.map(({ length }) => Math.max(length - 1, 0));
    const wanted = time === 1 ? undefined : places;
    const picked = tf.tidy(() => {
      const logits = this.#model.logits(tf.tensor2d(tokens, [batch, time], 'int32'), this.#cache, wanted);
      if (logits.shape[1] === 1) return logits;
      const rows = places.map((place, row) => row * time + place);
      return tf.gather(tf.reshape(logits, [batch * time, logits.shape[2]]), tf.tensor1d(rows, 'int32'));
    });
    this.#cache.advance(lists.map(({ length }) => length));
    const values = (await picked.data()) as Float32Array;
    picked.dispose();
    const width = values.length / batch;
    return lists.map((_, row) => values.subarray(row * width, (row + 1) * width));
  }
}
