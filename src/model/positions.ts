import * as tf from '@tensorflow/tfjs-core';
import { rotaryTable } from '../transformer-ops/index.js';
import type { ModelConfig } from './config.js';

/** The positions of a model's first table: those of the longest usual context. */
const FIRST_POSITIONS = 4096;

/** What a model's runs take by position, kept between them. */
export class Positions {
  readonly #config: ModelConfig;
  /** Tables of the rotary embedding, each twice as long as the one before, which the tape may still need. */
  readonly #tables: tf.Tensor2D[] = [];
  /** Zeros by the number of sequences, kept for the tape's sake. */
  readonly #starts = new Map<number, tf.Tensor1D>();

  constructor(config: ModelConfig) {
    this.#config = config;
    this.table(Math.min(config.context, FIRST_POSITIONS));
  }

  /** A table of so many positions or more, as far as the context goes: that may be longer than memory is. */
  table(positions: number): tf.Tensor2D {
    const { context, headWidth: width, ropeBase: base } = this.#config;
    const longest = this.#tables.at(-1);
    const rows = longest?.shape[0] ?? 0;
    if (longest !== undefined && rows >= Math.min(positions, context)) return longest;
    const table = rotaryTable({ positions: Math.min(context, Math.max(positions, 2 * rows)), width, base });
    this.#tables.push(tf.keep(table));
    return table;
  }

  /** The first position of each of so many sequences: 0. */
  start(batch: number): tf.Tensor1D {
    let start = this.#starts.get(batch);
    if (start === undefined) {
      start = tf.keep(tf.zeros([batch], 'int32'));
      this.#starts.set(batch, start);
    }
    return start;
  }

  dispose(): void {
    tf.dispose([...this.#starts.values(), ...this.#tables]);
  }
}
