import * as tf from '@tensorflow/tfjs-core';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import { nestedGradients } from '../op/nested.js';
import { inEveryStorage, randomTensor } from '../op/sample.js';
import { Sums } from '../op/sums.js';
import type { Op, Sample, Scalars, Values } from '../op/types.js';

const PARAMETERS: Op['parameters'] = { weight: { shape: ['cols'], first: 1 } };
/** ε of LLaMA 2 and of the paper's models. */
const SCALARS = { epsilon: { default: 1e-5, also: [0.5], range: 'not negative' } } as const;

// y = x r w, r = 1 / √(mean(x²) + ε).
function forward(x: Values, weight: Values, { epsilon }: Scalars): Sums {
  const y = new Sums(x.values.length);
  eachRow(x, weight.values.length, epsilon!, (at, scale) => {
    for (const [c, w] of weight.values.entries()) y.add(at + c, x.values[at + c]! * scale * w);
  });
  return y;
}

// With n = x r and g = dy w: dx = r (g - n mean(g n)), dw = Σ dy n over the rows.
function backward(x: Values, weight: Values, dy: Float64Array, { epsilon }: Scalars): Sums[] {
  const cols = weight.values.length;
  const [dx, dweight] = [new Sums(x.values.length), new Sums(cols)];
  eachRow(x, cols, epsilon!, (at, scale) => {
    let [mean, terms] = [0, 0];
    for (const [c, w] of weight.values.entries()) {
      const product = dy[at + c]! * w * x.values[at + c]! * scale;
      mean += product / cols;
      terms += Math.abs(product) / cols;
      dweight.add(c, dy[at + c]! * x.values[at + c]! * scale);
    }
    for (const [c, w] of weight.values.entries()) {
      const normal = x.values[at + c]! * scale;
      dx.add(at + c, scale * dy[at + c]! * w);
      dx.add(at + c, -scale * normal * mean, Math.abs(scale * normal) * terms);
    }
  });
  return [dx, dweight];
}

function eachRow(x: Values, cols: number, epsilon: number, row: (at: number, scale: number) => void): void {
  for (let at = 0; at < x.values.length; at += cols) {
    let squares = 0;
    for (let c = 0; c < cols; ++c) squares += x.values[at + c]! ** 2;
    row(at, 1 / Math.sqrt(squares / cols + epsilon));
  }
}

function composed(x: tf.Tensor, weight: tf.Tensor, { epsilon }: Scalars): tf.Tensor {
  if (x.size === 0) return tf.clone(x); // tfjs cannot differentiate the mean of nothing
  const mean = tf.mean(tf.square(x), -1, true);
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(mean, epsilon!))), weight);
}

function samples(inputs: readonly string[]): Sample[] {
  const shapes = [
    [3, 1],
    [2, 7],
    [5, 123],
    [2, 3, 64],
    [1, 8191],
    [70, 33],
    [0, 5],
    [4, 0],
    [300, 260],
    [600, 8],
    [40, 128],
    [9, 1024],
    [3, 8200],
  ];
  const sample = (shape: readonly number[], seed: number, scale = 1): Sample['tensors'] =>
    Object.fromEntries(
      inputs.map((name, i) => [
        name,
        name === 'weight' ? randomTensor(shape.slice(-1), seed + i) : randomTensor(shape, seed + i, scale),
      ]),
    );
  return [
    ...shapes.map((shape, i) => ({ title: `[${shape}]`, tensors: sample(shape, 10 * i) })),
    ...[1e-20, 1e-3, 1e5, 1e18].map((scale) => ({
      title: `values of ${scale}`,
      tensors: sample([3, 40], 7, scale),
    })),
    { title: 'epsilon 0.5', tensors: sample([3, 40], 8), scalars: { epsilon: 0.5 } },
  ];
}

/** The row of RMSNorm. */
export const rmsnormOp: Op<'rmsnorm'> = {
  name: 'rmsnorm',
  kernelName: 'RmsNorm',
  label: 'RMSNorm',
  source: 'arXiv 1910.07467',
  inputs: ['x', 'weight'],
  integers: [],
  outputs: ['y'],
  differentiable: ['y'],
  kept: ['x', 'weight'],
  gradients: ['x', 'weight'],
  parameters: PARAMETERS,
  scalars: SCALARS,
  storage: 'any',
  reference: {
    forward: ({ x, weight }, scalars) => [forward(x!, weight!, scalars)],
    backward: ({ x, weight }, [dy], scalars) => backward(x!, weight!, dy!, scalars),
  },
  composed: ([x, weight], scalars) => [composed(x!, weight!, scalars)],
  samples: () => inEveryStorage(rmsnormOp, samples(['x', 'weight'])),
};

/** The row of RMSNorm of a sum, which it gives too: the residual stream's next value. Its `dx` is both terms'. */
export const addrmsnormOp: Op<'addrmsnorm'> = {
  name: 'addrmsnorm',
  kernelName: 'AddRmsNorm',
  label: 'RMSNorm of a sum',
  source: 'arXiv 1910.07467',
  inputs: ['x', 'residual', 'weight'],
  integers: [],
  outputs: ['y', 'sum'],
  differentiable: ['y', 'sum'],
  kept: ['sum', 'weight'],
  gradients: ['x', 'weight'],
  parameters: PARAMETERS,
  scalars: SCALARS,
  storage: 'any',
  reference: {
    forward({ x, residual, weight }, scalars, dtype = 'f32') {
      const sum = added(x!, residual!);
      return [forward({ shape: x!.shape, values: sum.readBack(dtype) }, weight!, scalars), sum];
    },
    backward({ x, residual, weight }, [dy, dsum], scalars, dtype = 'f32') {
      const sum = { shape: x!.shape, values: added(x!, residual!).readBack(dtype) };
      const [dx, dweight] = backward(sum, weight!, dy!, scalars);
      for (const [i, g] of dsum!.entries()) dx!.add(i, g);
      return [dx!, dweight!];
    },
  },
  composed([x, residual, weight], scalars) {
    const sum = tf.add(x!, residual!);
    return [composed(sum, weight!, scalars), sum];
  },
  composedGradients([sum, weight], [dy, dsum], scalars) {
    const [dx, dweight] = nestedGradients((x, w) => [composed(x!, w!, scalars)], [sum!, weight!], [dy!]);
    return [tf.add(dx!, dsum!), dweight!];
  },
  samples: () => inEveryStorage(addrmsnormOp, samples(['x', 'residual', 'weight'])),
};

function added(x: Values, residual: Values): Sums {
  const sum = new Sums(x.values.length);
  for (const [i, value] of x.values.entries()) {
    sum.add(i, value);
    sum.add(i, residual.values[i]!);
  }
  return sum;
}

/** What RMSNorm may be told. */
export interface RmsNormOptions {
  /** Inside the root; 1e-5 by default. */
  readonly epsilon?: number;
}

/**
 * RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467): y = x / √(mean(x²) + ε) · weight over the last axis.
 *
 * @param x float32 [..., cols]
 * @param weight float32 [cols]
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for shapes, dtypes or an epsilon that do not fit
 */
export function rmsNorm<T extends tf.Tensor>(x: T | Input, weight: Input, options: RmsNormOptions = {}): T {
  return callOp('rmsNorm', rmsnormOp, { x, weight }, options, (tensors) => {
    const { rank, size } = tensors.weight;
    return rank === 1 && size === tensors.x.shape.at(-1) ? undefined : 'weight must be [cols], x [..., cols]';
  });
}
