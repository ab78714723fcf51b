import { PolycomError } from '../errors.js';
import { rounded } from '../native/dtype.js';
import type { Dtype } from '../native/types.js';
import type { FusedOp, ReferenceInputs, Scalars } from './types.js';

/** The tensors of one call of an op, and dy. Matrices hold values that their dtype holds exactly; y is [rows, cols]. */
export interface Sample {
  readonly rows: number;
  readonly cols: number;
  /** Of the matrices; coefficients are f32. */
  readonly dtype: Dtype;
  /** By the op's names of them. */
  readonly scalars: Scalars;
  /** By the op's input names, in its order. */
  readonly tensors: Readonly<Record<string, Float32Array>>;
  readonly dy: Float32Array;
}

/** What a sample may be told; the rest follows from the op. */
export interface SampleOptions {
  readonly seed?: number;
  /** The standard deviation of the matrices other than dy. */
  readonly scale?: number;
  /** Of the polynomial, where the op takes coefficients: 3 by default. */
  readonly order?: number;
  readonly dtype?: Dtype;
  readonly scalars?: Scalars;
}

/** The inputs that are no matrices. */
const COEFFICIENTS: Readonly<Record<string, (order: number) => readonly number[]>> = {
  weight: (order) => [0.4, -0.3, 0.7, 0.2].slice(0, order),
  bias: () => [0.1],
};

/** What each scalar may be; the first is its default. */
const SCALARS: Readonly<Record<string, readonly number[]>> = {
  epsilon: [1e-6, 0],
  norm: [0, 1],
  approximate: [0, 1],
};

/** A sample for any op: matrices normal, weights and bias of no particular pattern. */
export function sampleOf(op: FusedOp, rows: number, cols: number, options: SampleOptions = {}): Sample {
  const { seed = 1, scale = 1, order = 3, dtype = 'f32', scalars } = options;
  const matrix = (width: number, from: number, size: number) =>
    round(normal(rows * width, from, size), dtype);
  const tensors = op.inputs.map((name, i) => {
    const coefficients = COEFFICIENTS[name];
    if (coefficients !== undefined) return [name, Float32Array.from(coefficients(order))];
    return [name, matrix(widthOf(name, cols), seed + 2 * i, scale)];
  });
  const defaults = op.scalars.map((name) => [name, scalars?.[name] ?? scalarValues(name)[0]!]);
  return {
    rows,
    cols,
    dtype,
    scalars: Object.fromEntries(defaults),
    tensors: Object.fromEntries(tensors),
    dy: matrix(cols, seed + 1, 1),
  };
}

/** The values of a scalar that are worth a sample; the first is its default. */
export function scalarValues(name: string): readonly number[] {
  const values = SCALARS[name];
  if (values !== undefined) return values;
  throw new PolycomError('INTERNAL', `there is no sample of a scalar named '${name}'`);
}

/** Whether an input of this name is a matrix; the others are coefficients. */
export function isMatrix(name: string): boolean {
  return COEFFICIENTS[name] === undefined;
}

/** The length of an input's last axis, for outputs of `cols`: `packed` holds two matrices side by side. */
export function widthOf(name: string, cols: number): number {
  return name === 'packed' ? 2 * cols : cols;
}

/** The shape of an input: [rows, cols], [order], or [] for a scalar. */
export function shapeOf(name: string, { rows, cols, tensors }: Sample): number[] {
  if (isMatrix(name)) return [rows, widthOf(name, cols)];
  return name === 'weight' ? [tensors[name]!.length] : [];
}

/** A sample as the f64 reference takes it. */
export function referenceInputs({ cols, scalars, tensors }: Sample): ReferenceInputs {
  const wide = Object.entries(tensors).map(([name, values]) => [name, Float64Array.from(values)]);
  return { cols, scalars, tensors: Object.fromEntries(wide) };
}

/** A generator of repeatable numbers: mulberry32, uniform in [0, 1). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed floats. */
export function normal(length: number, seed: number, scale: number = 1): Float32Array {
  const next = uniform(seed);
  return Float32Array.from(
    { length },
    () => scale * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}

function round(values: Float32Array, dtype: Dtype): Float32Array {
  return dtype === 'f32' ? values : values.map((value) => rounded(value, dtype));
}
