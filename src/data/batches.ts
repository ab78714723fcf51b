import { invalidArgument, type PolycomError } from '../common/errors.js';
import { checkField, whole } from '../common/fields.js';
import { checkNames, type Names } from '../common/options.js';
import { hash, permutation } from '../common/random.js';
import type { TokenSource } from './shards.js';

/** Rows of a batch, one after the other; row r of `targets` is that of `inputs`, one token later. */
export interface Batch {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  /** Rows: `inputs.length / time`. */
  readonly rows: number;
}

/** A position in the data: how many windows of which epoch have been given. */
export interface BatchesState {
  readonly epoch: number;
  readonly window: number;
}

export interface BatchesOptions {
  /** Rows of a batch. */
  readonly batch: number;
  /** Tokens of a row. */
  readonly time: number;
  /** Decides the order of windows; 0. */
  readonly seed?: number;
}

const OPTIONS: Names<BatchesOptions> = { batch: true, time: true, seed: true };

/**
 * Batches without end. An epoch cuts the tokens into windows that do not overlap, from an offset of its own, and gives
 * them in an order of its own; a batch may span two epochs. Seed and state say everything about what comes next, and
 * no order is held in memory.
 */
export class Batches {
  readonly #source: TokenSource;
  readonly #batch: number;
  readonly #time: number;
  readonly #seed: number;
  #window = 0;
  #epoch!: Epoch;

  /** @throws {PolycomError} `INVALID_ARGUMENT` where the tokens do not fill one window and its last target */
  constructor(source: TokenSource, options: BatchesOptions) {
    checkNames('Batches', options, OPTIONS);
    const { batch, time, seed = 0 } = options;
    checkWindows(source, batch, time);
    checkField('Batches', 'seed', seed, whole());
    this.#source = source;
    this.#batch = batch;
    this.#time = time;
    this.#seed = seed;
    this.#begin(0);
  }

  /** The next batch, in arrays of its own. */
  next(): Batch {
    const rows = Array.from({ length: this.#batch }, () => this.#nextStart());
    return readRows(this.#source, rows, this.#time);
  }

  /** Where it stands; JSON. */
  get state(): BatchesState {
    return { epoch: this.#epoch.number, window: this.#window };
  }

  /**
   * Goes to where another of the same source, shape and seed stood.
   *
   * @throws {PolycomError} `INVALID_ARGUMENT` where there is no such position
   */
  restore({ epoch, window }: BatchesState): void {
    const before = this.#epoch.number;
    if (!Number.isSafeInteger(epoch) || epoch < 0) throw noPosition(epoch, window);
    this.#begin(epoch);
    if (Number.isSafeInteger(window) && window >= 0 && window < this.#epoch.windows) {
      this.#window = window;
      return;
    }
    const { windows } = this.#epoch;
    this.#begin(before);
    throw noPosition(epoch, window, windows);
  }

  #nextStart(): number {
    const { offset, order, windows, number } = this.#epoch;
    const start = offset + order(this.#window) * this.#time;
    if (++this.#window === windows) this.#begin(number + 1);
    return start;
  }

  #begin(number: number): void {
    const { length } = this.#source;
    const offset = hash(this.#seed, number) % Math.min(this.#time, length - this.#time);
    const windows = Math.floor((length - 1 - offset) / this.#time);
    this.#epoch = { number, offset, windows, order: permutation(windows, this.#seed, number) };
    this.#window = 0;
  }
}

interface Epoch {
  readonly number: number;
  readonly offset: number;
  readonly windows: number;
  readonly order: (window: number) => number;
}

/** Which windows {@link windowsInOrder} gives. */
export interface WindowsOptions extends Omit<BatchesOptions, 'seed'> {
  /** Most windows, evenly spread over the tokens; all of them by default. */
  readonly limit?: number;
}

const WINDOWS_OPTIONS: Names<WindowsOptions> = { batch: true, time: true, limit: true };

/**
 * Every window of the tokens once, in order: what an evaluation sees. The last batch may have fewer rows.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where the tokens do not fill one window and its last target
 */
export function* windowsInOrder(source: TokenSource, options: WindowsOptions): Generator<Batch> {
  checkNames('windowsInOrder', options, WINDOWS_OPTIONS);
  const { batch, time, limit = Number.POSITIVE_INFINITY } = options;
  checkWindows(source, batch, time);
  const windows = Math.floor((source.length - 1) / time);
  const count = Math.min(windows, limit);
  for (let first = 0; first < count; first += batch) {
    const length = Math.min(batch, count - first);
    const starts = Array.from({ length }, (_, row) => Math.floor(((first + row) * windows) / count) * time);
    yield readRows(source, starts, time);
  }
}

function readRows(source: TokenSource, starts: readonly number[], time: number): Batch {
  const rows = starts.length;
  const inputs = new Int32Array(rows * time);
  const targets = new Int32Array(rows * time);
  const window = new Int32Array(time + 1);
  for (const [row, start] of starts.entries()) {
    source.read(start, window);
    inputs.set(window.subarray(0, time), row * time);
    targets.set(window.subarray(1), row * time);
  }
  return { inputs, targets, rows };
}

function checkWindows({ length }: TokenSource, batch: number, time: number): void {
  for (const [name, value] of Object.entries({ batch, time })) {
    checkField(undefined, name, value, whole(1));
  }
  if (length > time) return;
  throw invalidArgument(`${length} tokens; expected at least ${time + 1}, for one window`, {
    remedy: 'give more text, hold out more of it if these are the held-out tokens, or take shorter windows',
  });
}

function noPosition(epoch: unknown, window: unknown, windows?: number): PolycomError {
  const of = windows === undefined ? '' : `; that epoch has ${windows} windows`;
  return invalidArgument(`no window ${window} of epoch ${epoch} in the data${of}`, {
    remedy: 'a saved position fits only the same data, batch length and seed',
  });
}
