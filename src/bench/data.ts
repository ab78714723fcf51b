import { hash } from '../common/random.js';
import { allocateAligned } from '../native/arguments.js';
import { decode, encode, ITEM_BYTES, STORAGE, type Stored } from '../native/dtype.js';
import type { Dtype, NativeTensor } from '../native/types.js';
import { normal, parameterTensor } from '../op/sample.js';
import type { Op, Values as WideValues } from '../op/types.js';
import type { Shape } from './types.js';

/** A tensor in this process's memory. */
export interface BenchTensor extends NativeTensor {
  readonly data: Stored;
  readonly dtype: Dtype;
}

const ORDER = 3;
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
  readonly #parameters = new Map<string, BenchTensor>();
  readonly #matrices = new Map<string, BenchTensor>();

  constructor(shape: Shape, dtype: Dtype = 'f32') {
    this.shape = shape;
    this.dtype = dtype;
    this.period = periodOf(shape);
  }

  /** An input of an op, by the name that the op's row gives it: the same for the same op and name. */
  input(op: Pick<Op, 'name' | 'inputs' | 'parameters' | 'packed'>, name: string): BenchTensor {
    const parameter = op.parameters[name];
    if (parameter === undefined) {
      const packed = op.packed && name === op.inputs[0];
      return this.matrix(name, packed ? 2 * this.shape.cols : this.shape.cols);
    }
    const key = `${op.name} ${name}`;
    let made = this.#parameters.get(key);
    if (made === undefined) {
      const { values, shape } = parameterTensor(parameter, { ...this.shape, order: ORDER }, seedOf(key));
      made = { data: values, dtype: 'f32', shape };
      this.#parameters.set(key, made);
    }
    return made;
  }

  /** Normal values, the same for the same name. */
  matrix(name: string, cols: number): BenchTensor {
    const key = `${name} ${cols}`;
    let matrix = this.#matrices.get(key);
    if (matrix === undefined) {
      const { rows } = this.shape;
      const data = alignedArray(rows * cols, this.dtype);
      encode(normal(this.period * cols, seedOf(name)), this.dtype, data);
      for (let filled = this.period * cols; filled < data.length; filled *= 2) {
        data.copyWithin(filled, 0, Math.min(filled, data.length - filled));
      }
      matrix = { data, dtype: this.dtype, shape: [rows, cols] };
      this.#matrices.set(key, matrix);
    }
    return matrix;
  }

  /** The first period of a matrix, or all of a parameter, as the reference takes it. */
  wide({ data, dtype, shape }: BenchTensor): WideValues {
    if (shape.length < 2) return { shape, values: Float64Array.from(decode(data, dtype)) };
    const part = data.subarray(0, (data.length / this.shape.rows) * this.period);
    return { shape: [this.period, ...shape.slice(1)], values: Float64Array.from(decode(part, dtype)) };
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

function seedOf(name: string): number {
  return hash(...new TextEncoder().encode(name));
}
