import { describe, expect, test } from 'vitest';
import { activations } from '../../src/activations/table.js';
import { upstreamOf, valuesOf } from '../../src/op/compare.js';
import { hasOrder, sampleOf, scalarVariants } from '../../src/op/sample.js';
import { type Op, type Sample, type Scalars, scalarsOf, type ValuesByName } from '../../src/op/types.js';
import { tfjsActivations } from '../../src/ops.js';
import { transformerOps } from '../../src/transformer-ops/table.js';

/** y of rows of `x`, with other inputs as named. */
function forward(
  op: Op,
  x: readonly number[],
  cols: number,
  more: Parameters<typeof inputs>[2] & { epsilon?: number } = {},
): Float64Array {
  return op.reference.forward(inputs(x, cols, more), scalarsOf(op, scalarsIn(more)))[0]!.value;
}

/** dx, likewise. */
function backward(
  op: Op,
  x: readonly number[],
  dy: Float64Array,
  more: Parameters<typeof inputs>[2] & { epsilon?: number } = {},
): Float64Array {
  const scalars = scalarsOf(op, scalarsIn(more));
  return op.reference.backward(inputs(x, x.length, more), [dy], scalars)[0]!.value;
}

function scalarsIn({ epsilon }: { epsilon?: number }): Scalars {
  return epsilon === undefined ? {} : { epsilon };
}

function inputs(
  x: readonly number[],
  cols: number,
  { weight = [1 / 3, 1 / 3, 1 / 3], bias = 0 }: { weight?: number[]; bias?: number } = {},
): ValuesByName {
  return {
    x: { shape: [x.length / cols, cols], values: Float64Array.from(x) },
    weight: { shape: [weight.length], values: Float64Array.from(weight) },
    bias: { shape: [], values: Float64Array.of(bias) },
  };
}

const values = (from: ArrayLike<number>): number[] => Array.from(from);

interface Differences {
  /** What gradients may be off by, in units of their terms. */
  readonly bound: number;
  /** The most elements of an input that are tried: each costs two forward passes. */
  readonly tried?: number;
  readonly stepOf: (value: number) => number;
}

/** Expects the gradients to be central differences of Σ dy·y. */
function expectDifferences(
  op: Op,
  sample: Sample,
  { bound, tried = Number.POSITIVE_INFINITY, stepOf }: Differences,
): void {
  const [given, scalars] = [valuesOf(sample), scalarsOf(op, sample.scalars)];
  const outputs = op.reference.forward(given, scalars);
  const upstream = op.differentiable.map((_, i) =>
    Float64Array.from(upstreamOf(op, sample, i, outputs[i]!.value.length)),
  );
  const gradients = op.reference.backward(given, upstream, scalars);
  const loss = (): number => {
    const ys = op.reference.forward(given, scalars);
    let sum = 0;
    for (const [k, dy] of upstream.entries()) {
      for (const [i, g] of dy.entries()) sum += g * ys[k]!.value[i]!;
    }
    return sum;
  };
  for (const [k, name] of op.gradients.entries()) {
    const x = given[name]!.values;
    const stride = Math.max(1, Math.ceil(x.length / tried));
    for (let i = 0; i < x.length; i += stride) {
      const before = x[i]!;
      const step = stepOf(before);
      x[i] = before + step;
      const above = loss();
      x[i] = before - step;
      const below = loss();
      x[i] = before;
      const slope = (above - below) / (2 * step);
      const { value, terms } = gradients[k]!;
      expect(Math.abs(value[i]! - slope), `d${name}[${i}]`).toBeLessThan(bound * (1 + terms[i]!));
    }
  }
}

describe.each(Object.values(transformerOps))('the reference of $name', (op) => {
  const small = op.samples().filter(({ title, tensors }) => {
    const size = Object.values(tensors).reduce((sum, { values: of }) => sum + of.length, 0);
    return size > 0 && size < 3000 && !/values of|huge|NaN|f16/.test(title);
  });

  test.each(small)('has the gradients that differences give: $title', (sample) => {
    expectDifferences(op, sample, { bound: 1e-4, tried: 40, stepOf: () => 1e-5 });
  });
});

describe.each(tfjsActivations)('the reference of $kernelName', (op) => {
  const orders = hasOrder(op) ? [1, 2, 3, 4] : [3];
  const variants = [...orders.map((order) => ({ order })), ...scalarVariants(op)];
  const shapes = [
    [1, 1],
    [3, 5],
    [2, 33],
  ] as const;
  test.each(variants.flatMap((variant) => shapes.map((shape) => [...shape, variant] as const)))(
    'has the gradients of finite differences, %i × %i, %o',
    (rows, cols, variant) => {
      const sample = sampleOf(op, rows, cols, { seed: 7, ...variant });
      const stepOf = (value: number) => 1e-5 * Math.max(1, Math.abs(value));
      expectDifferences(op, sample, { bound: 1e-7, stepOf });
    },
  );

  test('sums terms no smaller than what they sum to', () => {
    const sample = sampleOf(op, 4, 9, { seed: 3 });
    const [y] = op.reference.forward(valuesOf(sample), scalarsOf(op, sample.scalars));
    for (const [i, value] of y!.value.entries()) expect(y!.terms[i]).toBeGreaterThanOrEqual(Math.abs(value));
  });
});

// facts of arXiv 2411.03884, and of the official code.
describe('PolyReLU', () => {
  const x = [-2, -0.5, 0, 0.25, 3];

  test('is ReLU with only a_1 = 1, and ReLU² with only a_2 = 1', () => {
    const relu = x.map((value) => Math.max(value, 0));
    expect(values(forward(activations.polyrelu, x, 5, { weight: [0, 0, 1] }))).toEqual(relu);
    const squared = forward(activations.polyrelu, x, 5, { weight: [0, 1, 0] });
    expect(values(squared)).toEqual(relu.map((value) => value ** 2));
    expect(values(squared)).toEqual(values(forward(activations.relu2, x, 5)));
  });
});

describe('PolyNorm', () => {
  const op = activations.polynorm;
  const x = [0.5, -1, 2, 0.1, -0.3, 1.5];

  test('of order 1 is RMSNorm', () => {
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / x.length + 1e-6);
    const y = forward(op, x, 6, { weight: [2], bias: 0.5 });
    for (const [i, value] of y.entries()) expect(value).toBeCloseTo((2 * x[i]!) / rms + 0.5, 12);
  });

  test('does not feel the scale of x when ε = 0, so that dx is orthogonal to x', () => {
    const scaled = x.map((value) => value * 37);
    const y = forward(op, x, 6, { epsilon: 0 });
    const yScaled = forward(op, scaled, 6, { epsilon: 0 });
    for (const [i, value] of y.entries()) expect(yScaled[i]).toBeCloseTo(value, 12);
    const dx = backward(op, x, Float64Array.of(1, -2, 0.5, 3, 0, 1), { epsilon: 0 });
    expect(dx.reduce((sum, value, i) => sum + value * x[i]!, 0)).toBeCloseTo(0, 12);
  });

  test('gives the bias for a row of zeros, and a gain of a_1 / √ε', () => {
    const more = { weight: [0.2, 0.3, 0.4], bias: 0.7 };
    expect(values(forward(op, [0, 0, 0], 3, more))).toEqual([0.7, 0.7, 0.7]);
    const dx = backward(op, [0, 0, 0], Float64Array.of(1, 2, -1), more);
    for (const [i, g] of [1, 2, -1].entries()) expect(dx[i]).toBeCloseTo(1000 * 0.4 * g, 9);
  });

  test('normalises each row by itself', () => {
    const both = forward(op, x, 3);
    const first = forward(op, x.slice(0, 3), 3);
    expect(values(both.slice(0, 3))).toEqual(values(first));
  });
});
