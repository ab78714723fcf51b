import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../common/errors.js';
import { checkFields, even, type Fields, real, whole } from '../common/fields.js';
import { given } from '../common/objects.js';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import { inEveryStorage, randomIntegers, randomTensor } from '../op/sample.js';
import { Sums } from '../op/sums.js';
import type { Op, Sample, Values } from '../op/types.js';

/** Of LLaMA 2 and of the paper's models. */
const BASE = 10_000;

// y[i] = x[i] cos[i] - x[i + half] sin[i], y[i + half] = x[i + half] cos[i] + x[i] sin[i]; back: with -sin.
function rotation(
  x: Float64Array,
  shape: readonly number[],
  table: Values,
  start: Values,
  sign: number,
): Sums {
  const [, time, heads, width] = shape as [number, number, number, number];
  const half = width / 2;
  const y = new Sums(x.length);
  for (let at = 0; at < x.length; at += width) {
    const token = Math.floor(at / (heads * width));
    const row = (start.values[Math.floor(token / time)]! + (token % time)) * width;
    for (let i = 0; i < half; ++i) {
      const [cos, sin] = [table.values[row + i]!, sign * table.values[row + half + i]!];
      const [a, b] = [x[at + i]!, x[at + half + i]!];
      y.add(at + i, a * cos);
      y.add(at + i, -b * sin);
      y.add(at + half + i, b * cos);
      y.add(at + half + i, a * sin);
    }
  }
  return y;
}

function composedRotation(x: tf.Tensor, table: tf.Tensor, start: tf.Tensor, sign: number): tf.Tensor {
  if (x.size === 0) return tf.clone(x);
  const [batch, time, , width] = x.shape as [number, number, number, number];
  const positions = tf.add(tf.reshape(start, [batch, 1]), tf.range(0, time, 1, 'int32'));
  const rows = tf.gather(table, tf.reshape(positions, [batch * time]) as tf.Tensor1D);
  const [cos, sin] = tf.split(tf.reshape(rows, [batch, time, 1, width]), 2, 3);
  const [a, b] = tf.split(x, 2, 3);
  const turn = sign < 0 ? tf.neg(sin!) : sin!;
  const first = tf.sub(tf.mul(a!, cos!), tf.mul(b!, turn));
  return tf.concat([first, tf.add(tf.mul(b!, cos!), tf.mul(a!, turn))], 3);
}

function samples(): Sample[] {
  const shapes: [batch: number, time: number, heads: number, width: number][] = [
    [1, 1, 1, 2],
    [2, 3, 2, 10],
    [3, 5, 4, 64],
    [2, 7, 1, 34],
    [4, 40, 8, 16],
    [1, 300, 3, 32],
    [0, 4, 2, 6],
    [2, 0, 2, 6],
    [2, 4, 2, 0],
  ];
  const sample = (shape: readonly number[], scale = 1): Sample['tensors'] => {
    const [batch, time, , width] = shape as [number, number, number, number];
    const positions = time + 4;
    return {
      x: randomTensor(shape, batch + width, scale),
      table: { shape: [positions, width], values: tableOf(positions, width, BASE) },
      start: randomIntegers([batch], time, 0, 5),
    };
  };
  return [
    ...shapes.map((shape) => ({ title: `[${shape}]`, tensors: sample(shape) })),
    { title: 'values of 1e30', tensors: sample([2, 3, 2, 10], 1e30) },
  ];
}

/** The row of the rotary embedding. */
export const rotaryOp: Op<'rotary'> = {
  name: 'rotary',
  kernelName: 'Rotary',
  label: 'Rotary embedding',
  source: 'arXiv 2104.09864',
  inputs: ['x', 'table', 'start'],
  integers: ['start'],
  outputs: ['y'],
  differentiable: ['y'],
  kept: ['table', 'start'],
  gradients: ['x'],
  parameters: {},
  scalars: {},
  storage: 'any',
  f32: ['table'],
  reference: {
    forward: ({ x, table, start }) => [rotation(x!.values, x!.shape, table!, start!, 1)],
    backward: ({ x, table, start }, [dy]) => [rotation(dy!, x!.shape, table!, start!, -1)],
  },
  composed: ([x, table, start]) => [composedRotation(x!, table!, start!, 1)],
  composedGradients: ([table, start], [dy]) => [composedRotation(dy!, table!, start!, -1)],
  samples: () => inEveryStorage(rotaryOp, samples()),
};

/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864) in the form of LLaMA in Hugging Face's transformers: in
 * each head the pairs (i, i + width / 2) are turned by the angle that the table has for their position. `x` alone has a
 * gradient.
 *
 * @param x float32 [batch, time, heads, width], width even
 * @param table float32 [positions, width], of {@link rotaryTable}
 * @param start int32 [batch]: the position of x[b, t] is start[b] + t
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for shapes or dtypes that do not fit
 * @throws {Error} of the backend's for a position outside the table, where it runs on the CPU; on a GPU it gives NaN
 */
export function rotary(x: Input, table: Input, start: Input): tf.Tensor4D {
  return callOp('rotary', rotaryOp, { x, table, start }, {}, (tensors) => {
    const [batch, time, , width] = tensors.x.shape;
    const { shape } = tensors.table;
    const fits =
      tensors.x.rank === 4 &&
      width! % 2 === 0 &&
      shape.length === 2 &&
      shape[0]! >= time! &&
      shape[1] === width &&
      tensors.start.rank === 1 &&
      tensors.start.size === batch;
    const table = 'table [positions, width], as many positions as time or more';
    return fits ? undefined : `x must be [batch, time, heads, width], width even; ${table}; start [batch]`;
  });
}

/** What {@link rotaryTable} is told. */
export interface RotaryTableOptions {
  /** Rows: one for each position, from 0. */
  readonly positions: number;
  /** Of a head; even. */
  readonly width: number;
  /** 10,000 by default. */
  readonly base?: number;
}

const FIELDS: Fields<RotaryTableOptions> = {
  positions: whole(0),
  width: even(0),
  base: real('a positive number', (value) => value > 0),
};

/**
 * The table of {@link rotary}: row p is [cos | sin] of the angles p · base^(-2 i / width), i from 0 to width / 2 - 1,
 * computed in f64.
 *
 * @returns float32 [positions, width]
 * @throws {PolycomError} `INVALID_ARGUMENT` for sizes that are not whole, an odd width, or a base that is not positive;
 *   `OUT_OF_MEMORY` for a table that this process cannot hold
 */
export function rotaryTable(options: RotaryTableOptions): tf.Tensor2D {
  const all = { base: BASE, ...given(options) };
  checkFields('rotaryTable', 'option', all, FIELDS);
  const { positions, width, base } = all;
  return tf.tensor2d(tableOf(positions, width, base), [positions, width]);
}

function tableOf(positions: number, width: number, base: number): Float32Array {
  const half = width / 2;
  const table = allocate(positions, width);
  for (let i = 0; i < half; ++i) {
    const frequency = base ** (-i / half);
    for (let p = 0; p < positions; ++p) {
      table[p * width + i] = Math.cos(p * frequency);
      table[p * width + half + i] = Math.sin(p * frequency);
    }
  }
  return table;
}

function allocate(positions: number, width: number): Float32Array {
  try {
    return new Float32Array(positions * width);
  } catch (cause) {
    const size = `${positions} positions and a width of ${width}`;
    throw new PolycomError('OUT_OF_MEMORY', `no memory for a table of ${size}`, {
      op: 'rotaryTable',
      remedy: 'ask for as many positions as are used',
      cause,
    });
  }
}
