import { normalGenerator, uniform } from '../common/random.js';
import { rounded, sizeOf } from '../native/dtype.js';
import type { Dtype } from '../native/types.js';
import {
  dtypeOf,
  type Op,
  type Parameter,
  type Sample,
  type Scalar,
  type Scalars,
  scalarsOf,
} from './types.js';

type Tensor = Sample['tensors'][string];

/** A call of an activation. y is [rows, cols]. */
export interface ActivationSample extends Sample {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: Dtype;
  /** All that the op has. */
  readonly scalars: Scalars;
  readonly upstream: readonly [dy: Float32Array];
}

/** What a sample may be told; the rest follows from the op. */
export interface SampleOptions {
  readonly seed?: number;
  /** The standard deviation of the matrices other than dy. */
  readonly scale?: number;
  /** Of the polynomial, where a parameter has one: 3 by default. */
  readonly order?: number;
  readonly dtype?: Dtype;
  readonly scalars?: Scalars;
}

/** A sample of an activation: matrices normal, parameters of no particular pattern. */
export function sampleOf(op: Op, rows: number, cols: number, options: SampleOptions = {}): ActivationSample {
  const { seed = 1, scale = 1, order = 3, dtype = 'f32', scalars = {} } = options;
  const matrix = (width: number, from: number, size: number): Float32Array =>
    stored(normal(rows * width, from, size), dtype);
  const tensors = op.inputs.map((name, i): [string, Tensor] => {
    const parameter = op.parameters[name];
    if (parameter !== undefined)
      return [name, parameterTensor(parameter, { rows, cols, order }, seed + 2 * i)];
    const width = op.packed && i === 0 ? 2 * cols : cols;
    return [name, { shape: [rows, width], values: matrix(width, seed + 2 * i, scale) }];
  });
  return {
    title: `${rows}×${cols} ${dtype}`,
    ...{ rows, cols, dtype },
    scalars: scalarsOf(op, scalars),
    tensors: Object.fromEntries(tensors),
    upstream: [matrix(cols, seed + 1, 1)],
  };
}

/** The sizes that a call decides. */
export type Sizes = Readonly<Partial<Record<Exclude<Parameter['shape'][number], number>, number>>>;

/** The shape of a parameter, in a call of these sizes. */
export function parameterShape({ shape }: Parameter, sizes: Sizes): number[] {
  return shape.map((size) => (typeof size === 'number' ? size : sizes[size]!));
}

/** A parameter as samples have it. */
export function parameterTensor(parameter: Parameter, sizes: Sizes, seed: number): Tensor {
  const shape = parameterShape(parameter, sizes);
  const { tried } = parameter;
  if (tried === undefined) return randomTensor(shape, seed);
  return { shape, values: Float32Array.from(tried.slice(0, sizeOf(shape))) };
}

/** Each value of each scalar that is worth a sample, the others at their defaults; and the sets of several. */
export function scalarVariants(op: Pick<Op, 'scalars' | 'together'>): { scalars: Scalars }[] {
  return scalarSets(op, (scalar) => [scalar.default, ...(scalar.also ?? [])]).map((scalars) => ({ scalars }));
}

/** Sets of scalars that are worth a sample: a value of one, and the sets of several. */
function scalarSets(
  { scalars, together = [] }: Pick<Op, 'scalars' | 'together'>,
  valuesOf: (scalar: Scalar) => readonly number[],
): readonly Scalars[] {
  const single = Object.entries(scalars).flatMap(([name, scalar]) =>
    valuesOf(scalar).map((value) => ({ [name]: value })),
  );
  return [...single, ...together];
}

/** Whether an op has parameters whose length is the order of a polynomial. */
export function hasOrder({ parameters }: Pick<Op, 'parameters'>): boolean {
  return Object.values(parameters).some(({ shape }) => shape.includes('order'));
}

const WIDTHS = [1, 7, 123, 8191, 8256];
const ORDERS = [1, 2, 4];
const ODD = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** The samples of an activation: every width, order, scalar and dtype that may go its own way, and special values. */
export function activationSamples(op: Op): Sample[] {
  const about = (text: string, sample: Sample): Sample => ({ ...sample, title: `${sample.title}, ${text}` });
  const orders = hasOrder(op) ? ORDERS : [];
  const scalars = scalarSets(op, ({ also = [] }) => also).map((set) => {
    const text = Object.entries(set).map(([name, value]) => `${name} ${value}`);
    return [text.join(', '), { scalars: set }] as const;
  });
  const variants = [...orders.map((order) => [`order ${order}`, { order }] as const), ...scalars];
  return [
    ...WIDTHS.flatMap((cols) => [1, 5].map((rows) => sampleOf(op, rows, cols, { seed: cols }))),
    ...[1e-12, 1e-3, 1e4].map((scale) =>
      about(`standard deviation ${scale}`, sampleOf(op, 4, 300, { scale })),
    ),
    ...variants.map(([text, options]) => about(text, sampleOf(op, 3, 123, options))),
    ...(['f16', 'bf16'] as const).flatMap((dtype) =>
      [7, 8191].map((cols) => sampleOf(op, 3, cols, { dtype })),
    ),
    sampleOf(op, 64, 777),
    about('rows of zeros', zeros(op)),
    ...ODD.map((value) => about(`one ${value}`, odd(op, value))),
    ...[1e7, 1e20].map((scale) => {
      const sample = sampleOf(op, 3, 130, { scale });
      return about(`standard deviation ${scale}`, { ...sample, special: 'huge' });
    }),
  ];
}

function zeros(op: Op): Sample {
  const sample = sampleOf(op, 3, 130);
  for (const [name, { values }] of Object.entries(sample.tensors)) {
    if (op.parameters[name] === undefined) values.fill(0);
  }
  return { ...sample, special: 'zeros' };
}

function odd(op: Op, value: number): Sample {
  const sample = sampleOf(op, 3, 40);
  sample.tensors[op.inputs[0]!]!.values[sample.cols + 7] = value;
  return { ...sample, special: 'odd' };
}

/** Normal values of a shape, repeatable by the seed. */
export function randomTensor(shape: readonly number[], seed: number, scale: number = 1): Tensor {
  return { shape, values: normal(sizeOf(shape), seed, scale) };
}

/** Whole numbers from `low` up to, without, `high`. */
export function randomIntegers(shape: readonly number[], seed: number, low: number, high: number): Tensor {
  const next = uniform(seed);
  const values = Float32Array.from({ length: sizeOf(shape) }, () => low + Math.floor(next() * (high - low)));
  return { shape, values };
}

/** Normally distributed floats. */
export function normal(length: number, seed: number, scale: number = 1): Float32Array {
  const values = new Float32Array(length);
  normalGenerator(seed, 0)(values, scale);
  return values;
}

/** Samples in f32, and the same in f16 and bf16 where these hold their values. */
export function inEveryStorage(
  op: Pick<Op, 'inputs' | 'integers' | 'parameters' | 'f32'>,
  samples: readonly Sample[],
): Sample[] {
  return [
    samples,
    ...(['f16', 'bf16'] as const).map((dtype) => samples.flatMap((sample) => storedAs(op, sample, dtype))),
  ].flat();
}

/** A sample in 16 bits, or none where a value would become infinite. */
function storedAs(op: Parameters<typeof inEveryStorage>[0], sample: Sample, dtype: Dtype): Sample[] {
  const of = { ...sample, title: `${sample.title}, ${dtype}`, dtype };
  const tensors = Object.entries(sample.tensors).map(([name, { shape, values }]): [string, Tensor] => {
    const kept = op.integers.includes(name) || dtypeOf(op, name, of) === 'f32';
    return [name, { shape, values: kept ? values : stored(values, dtype) }];
  });
  const fits = tensors.every(([name, { values }]) =>
    values.every((value, i) => Number.isFinite(value) || !Number.isFinite(sample.tensors[name]!.values[i]!)),
  );
  return fits ? [{ ...of, tensors: Object.fromEntries(tensors) }] : [];
}

/** Values as a dtype holds them. */
export function stored(values: Float32Array, dtype: Dtype): Float32Array {
  return dtype === 'f32' ? values : values.map((value) => rounded(value, dtype));
}
