import { allocateAligned } from '../native/arguments.js';
import { decode, encode, ITEM_BYTES, STORAGE, type Stored } from '../native/dtype.js';
import type { Dtype, NativeTensor } from '../native/types.js';
import { scalarValues, widthOf } from '../op/sample.js';
import type { Scalars } from '../op/types.js';
import type { Shape } from './types.js';

/** A tensor in this process's memory. */
export interface Values extends NativeTensor {
  readonly data: Stored;
  readonly dtype: Dtype;
}

const COEFFICIENTS: Readonly<Record<string, Values>> = {
  weight: { data: Float32Array.of(0.4, 0.3, 0.2), dtype: 'f32', shape: [3] },
  bias: { data: Float32Array.of(0.1), dtype: 'f32', shape: [] },
};
const PERIOD_ROWS = 16;
const PERIOD_ELEMENTS = 1 << 17;

/**
 * What the contenders of one shape are given. Matrices repeat every few rows, which no kernel can tell, so that a
 * slow f64 reference of those rows says what every output of the whole matrix should be.
 */
export class BenchData {
  readonly shape: Shape;
  readonly dtype: Dtype;
  /** The rows after which matrices repeat: a divisor of the shape's. */
  readonly period: number;
  readonly #matrices = new Map<string, Values>();

  constructor(shape: Shape, dtype: Dtype = 'f32') {
    this.shape = shape;
    this.dtype = dtype;
    this.period = periodOf(shape);
  }

  /** Whether an input of this name is a matrix; the others are coefficients. */
  isMatrix(name: string): boolean {
    return COEFFICIENTS[name] === undefined;
  }

  /** An input of an op, by the name that the op's row gives it. */
  input(name: string): Values {
    return COEFFICIENTS[name] ?? this.matrix(name, widthOf(name, this.shape.cols));
  }

  /** Normal values, the same for the same name. */
  matrix(name: string, cols: number): Values {
    const key = `${name} ${cols}`;
    let matrix = this.#matrices.get(key);
    if (matrix === undefined) {
      const { rows } = this.shape;
      const data = alignedArray(rows * cols, this.dtype);
      encode(normal(this.period * cols, name), this.dtype, data);
      for (let filled = this.period * cols; filled < data.length; filled *= 2) {
        data.copyWithin(filled, 0, Math.min(filled, data.length - filled));
      }
      matrix = { data, dtype: this.dtype, shape: [rows, cols] };
      this.#matrices.set(key, matrix);
    }
    return matrix;
  }

  /** The first period of a matrix, or all of a coefficient, as the reference takes it. */
  wide({ data, dtype, shape }: Values): Float64Array {
    const part = shape.length < 2 ? data : data.subarray(0, (data.length / this.shape.rows) * this.period);
    return Float64Array.from(decode(part, dtype));
  }

  /** The numbers that an op takes beside its tensors. */
  scalars(names: readonly string[]): Scalars {
    return Object.fromEntries(names.map((name) => [name, scalarValues(name)[0]!]));
  }
}

/** Memory as an allocator of numbers would give it: at the start of a cache line. */
function alignedArray(length: number, dtype: Dtype): Stored {
  const { buffer, byteOffset } = allocateAligned(length * ITEM_BYTES[dtype]);
  return new STORAGE[dtype](buffer as ArrayBuffer, byteOffset, length);
}

/** The most rows, within reason, that divide the shape's. */
function periodOf({ rows, cols }: Shape): number {
  let period = Math.max(1, Math.min(rows, PERIOD_ROWS, Math.floor(PERIOD_ELEMENTS / cols)));
  while (rows % period !== 0) --period;
  return period;
}

function normal(length: number, name: string): Float64Array {
  const uniform = uniformFrom([...name].reduce((seed, letter) => seed * 31 + letter.charCodeAt(0), 1));
  return Float64Array.from(
    { length },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** Numbers in (0, 1): Marsaglia's xorshift. */
function uniformFrom(seed: number): () => number {
  let state = (seed * 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
}
