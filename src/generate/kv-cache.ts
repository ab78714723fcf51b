import * as tf from '@tensorflow/tfjs-core';
import { invalidArgument, type PolycomError } from '../common/errors.js';
import type { ModelConfig } from '../model/config.js';
import type { KeyValueCache } from '../model/forward-pass.js';

type Sizes = Pick<ModelConfig, 'layers' | 'kvHeads' | 'headWidth'>;

/** A layer's keys and values: [batch, capacity, kvHeads, headWidth]. */
interface Layer {
  k: tf.Tensor4D;
  v: tf.Tensor4D;
}

/**
 * The keys and values of sequences of different lengths, in buffers that have room for `capacity` tokens each from the
 * beginning: memory is constant, whatever is generated.
 *
 * Each sequence has its own length, which is where its next token is written. So sequences that are read together are
 * filled up behind their end: what the filling leaves in the buffers lies beyond what the sequence's own tokens see, and
 * its next tokens overwrite it. No mask is needed, and no sequence sees another.
 *
 * tfjs has no writing in place, so that each step copies the buffers: bytes in proportion to what attention reads of
 * them in that step when they are full, where appending by `tf.concat` would copy as much and change memory's size with
 * every token.
 */
export class KeyValueBuffers implements KeyValueCache {
  readonly capacity: number;
  #layers: Layer[];
  #lengths: number[];
  #start: tf.Tensor1D;
  /** The rows of a buffer, [batch · capacity, …], that the tokens at hand go to: int32 [B T, 1]. */
  #places: tf.Tensor2D | undefined;

  /**
   * Empty buffers on the active backend.
   *
   * @param batch the number of sequences
   * @param capacity the most tokens of a sequence
   */
  constructor({ layers, kvHeads, headWidth }: Sizes, batch: number, capacity: number) {
    this.capacity = capacity;
    const shape: [number, number, number, number] = [batch, capacity, kvHeads, headWidth];
    const buffer = () => tf.keep(tf.zeros(shape) as tf.Tensor4D);
    this.#layers = Array.from({ length: layers }, () => ({ k: buffer(), v: buffer() }));
    this.#lengths = new Array<number>(batch).fill(0);
    this.#start = startOf(this.#lengths);
  }

  get start(): tf.Tensor1D {
    return this.#start;
  }

  /** How many tokens each sequence has. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  extend(layer: number, k: tf.Tensor4D, v: tf.Tensor4D): Layer {
    this.#places ??= this.#placesOf(k.shape[1]);
    const places = this.#places;
    const rows = { k, v };
    replace(this.#layers[layer]!, (buffer, name) => written(buffer, places, rows[name]));
    return { ...this.#layers[layer]! };
  }

  /** Counts the tokens that every layer was extended by: so many of each sequence, what follows them was filling. */
  advance(counts: readonly number[]): void {
    this.#setLengths(this.#lengths.map((length, i) => length + counts[i]!));
  }

  /** Makes sequence `i` what `rows[i]` was: drops some, repeats others. */
  select(rows: readonly number[]): void {
    if (rows.length === this.#lengths.length && rows.every((row, i) => row === i)) return;
    const indices = tf.tensor1d([...rows], 'int32');
    this.#replaceBuffers((buffer) => tf.gather(buffer, indices));
    indices.dispose();
    this.#setLengths(rows.map((row) => this.#lengths[row]!));
  }

  /** Makes a sequence what another cache of one sequence and of this capacity holds. */
  replace(row: number, other: KeyValueBuffers): void {
    const batch = this.#lengths.length;
    this.#replaceBuffers((buffer, layer, name) => {
      const part = (from: number, to: number) => (from < to ? [tf.slice(buffer, from, to - from)] : []);
      return tf.concat([...part(0, row), other.#layers[layer]![name], ...part(row + 1, batch)], 0);
    });
    this.#setLengths(this.#lengths.map((length, i) => (i === row ? other.#lengths[0]! : length)));
  }

  dispose(): void {
    tf.dispose([
      this.#layers.map(({ k, v }) => [k, v]),
      this.#start,
      this.#places ?? [],
    ] as tf.TensorContainer);
  }

  #replaceBuffers(f: (buffer: tf.Tensor4D, layer: number, name: 'k' | 'v') => tf.Tensor4D): void {
    for (const [layer, buffers] of this.#layers.entries()) {
      replace(buffers, (buffer, name) => f(buffer, layer, name));
    }
  }

  #setLengths(lengths: number[]): void {
    this.#places?.dispose();
    this.#places = undefined;
    this.#start.dispose();
    this.#lengths = lengths;
    this.#start = startOf(lengths);
  }

  #placesOf(time: number): tf.Tensor2D {
    const places = new Int32Array(this.#lengths.length * time);
    for (const [row, length] of this.#lengths.entries()) {
      if (length + time > this.capacity) throw full(length, time, this.capacity);
      for (let t = 0; t < time; ++t) places[row * time + t] = row * this.capacity + length + t;
    }
    return tf.keep(tf.tensor2d(places, [places.length, 1], 'int32'));
  }
}

/** Puts others in the place of a layer's buffers. */
function replace(buffers: Layer, f: (buffer: tf.Tensor4D, name: 'k' | 'v') => tf.Tensor4D): void {
  for (const name of ['k', 'v'] as const) {
    const old = buffers[name];
    buffers[name] = tf.keep(tf.tidy(() => f(old, name)));
    old.dispose();
  }
}

function startOf(lengths: number[]): tf.Tensor1D {
  return tf.keep(tf.tensor1d(lengths, 'int32'));
}

function written(buffer: tf.Tensor4D, places: tf.Tensor2D, rows: tf.Tensor4D): tf.Tensor4D {
  const [batch, capacity, heads, width] = buffer.shape;
  const flat = tf.reshape(buffer, [batch * capacity, heads * width]);
  const updates = tf.reshape(rows, [places.shape[0], heads * width]);
  return tf.reshape(tf.tensorScatterUpdate(flat, places, updates), buffer.shape);
}

function full(length: number, time: number, capacity: number): PolycomError {
  return invalidArgument(
    `the cache holds ${length} tokens of a sequence and got ${time} more; it has room for ${capacity}`,
    { op: 'KeyValueBuffers' },
  );
}
