import { describe, expect, test } from 'vitest';
import { activations, tfjsActivations } from '../../src/activations/table.js';
import { referenceInputs, sampleOf, scalarValues } from '../../src/op/sample.js';
import type { FusedOp, ReferenceInputs } from '../../src/op/types.js';

const op = (name: string): FusedOp => activations.find((row) => row.name === name)!;

/** The reference on rows of `x`, with other inputs as named. */
function inputs(
  x: readonly number[],
  cols: number,
  more: { weight?: number[]; bias?: number; epsilon?: number } = {},
) {
  const { weight = [1 / 3, 1 / 3, 1 / 3], bias = 0, epsilon = 1e-6 } = more;
  const tensors = { x: Float64Array.from(x), weight: Float64Array.from(weight), bias: Float64Array.of(bias) };
  return { cols, scalars: { epsilon }, tensors };
}

const values = (from: ArrayLike<number>): number[] => Array.from(from);

/** Central differences of Σ dy·y for each element of one input. */
function differences(row: FusedOp, given: ReferenceInputs, name: string, dy: Float64Array): number[] {
  const tensor = given.tensors[name]!;
  const loss = (): number => row.reference.forward(given).value.reduce((sum, y, i) => sum + y * dy[i]!, 0);
  return values(tensor).map((value, i) => {
    const step = 1e-5 * Math.max(1, Math.abs(value));
    tensor[i] = value + step;
    const above = loss();
    tensor[i] = value - step;
    const below = loss();
    tensor[i] = value;
    return (above - below) / (2 * step);
  });
}

describe.each(tfjsActivations)('the reference of $kernelName', (row) => {
  const variants = [
    ...[1, 2, 3, 4].map((order) => ({ order })),
    ...row.scalars.flatMap((name) => scalarValues(name).map((value) => ({ scalars: { [name]: value } }))),
  ];
  const shapes = [
    [1, 1],
    [3, 5],
    [2, 33],
  ] as const;
  test.each(variants.flatMap((variant) => shapes.map((shape) => [...shape, variant] as const)))(
    'has the gradients of finite differences, %i × %i, %o',
    (rows, cols, variant) => {
      const sample = sampleOf(row, rows, cols, { seed: 7, ...variant });
      const given = referenceInputs(sample);
      const dy = Float64Array.from(sample.dy);
      const gradients = row.reference.backward(given, dy);
      for (const [i, name] of row.inputs.entries()) {
        const numeric = differences(row, given, name, dy);
        for (const [j, value] of gradients[i]!.value.entries()) {
          expect(Math.abs(value - numeric[j]!), `d${name}[${j}]`).toBeLessThan(
            1e-7 * (1 + gradients[i]!.terms[j]!),
          );
        }
      }
    },
  );

  test('sums terms no smaller than what they sum to', () => {
    const given = referenceInputs(sampleOf(row, 4, 9, { seed: 3 }));
    const { value, terms } = row.reference.forward(given);
    for (const [i, y] of value.entries()) expect(terms[i]).toBeGreaterThanOrEqual(Math.abs(y));
  });
});

// facts of arXiv 2411.03884, and of the official code.
describe('PolyReLU', () => {
  const x = [-2, -0.5, 0, 0.25, 3];

  test('is ReLU with only a_1 = 1, and ReLU² with only a_2 = 1', () => {
    const relu = x.map((value) => Math.max(value, 0));
    expect(values(op('polyrelu').reference.forward(inputs(x, 5, { weight: [0, 0, 1] })).value)).toEqual(relu);
    const squared = op('polyrelu').reference.forward(inputs(x, 5, { weight: [0, 1, 0] })).value;
    expect(values(squared)).toEqual(relu.map((value) => value ** 2));
    expect(values(squared)).toEqual(values(op('relu2').reference.forward(inputs(x, 5)).value));
  });
});

describe('PolyNorm', () => {
  const { reference } = op('polynorm');
  const x = [0.5, -1, 2, 0.1, -0.3, 1.5];

  test('of order 1 is RMSNorm', () => {
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / x.length + 1e-6);
    const y = reference.forward(inputs(x, 6, { weight: [2], bias: 0.5 })).value;
    for (const [i, value] of y.entries()) expect(value).toBeCloseTo((2 * x[i]!) / rms + 0.5, 12);
  });

  test('does not feel the scale of x when ε = 0, so that dx is orthogonal to x', () => {
    const scaled = x.map((value) => value * 37);
    const y = reference.forward(inputs(x, 6, { epsilon: 0 })).value;
    const yScaled = reference.forward(inputs(scaled, 6, { epsilon: 0 })).value;
    for (const [i, value] of y.entries()) expect(yScaled[i]).toBeCloseTo(value, 12);
    const [dx] = reference.backward(inputs(x, 6, { epsilon: 0 }), Float64Array.of(1, -2, 0.5, 3, 0, 1));
    expect(dx!.value.reduce((sum, value, i) => sum + value * x[i]!, 0)).toBeCloseTo(0, 12);
  });

  test('gives the bias for a row of zeros, and a gain of a_1 / √ε', () => {
    const zeros = inputs([0, 0, 0], 3, { weight: [0.2, 0.3, 0.4], bias: 0.7 });
    expect(values(reference.forward(zeros).value)).toEqual([0.7, 0.7, 0.7]);
    const [dx] = reference.backward(zeros, Float64Array.of(1, 2, -1));
    for (const [i, g] of [1, 2, -1].entries()) expect(dx!.value[i]).toBeCloseTo(1000 * 0.4 * g, 9);
  });

  test('normalises each row by itself', () => {
    const both = reference.forward(inputs(x, 3)).value;
    const first = reference.forward(inputs(x.slice(0, 3), 3)).value;
    expect(values(both.slice(0, 3))).toEqual(values(first));
  });
});
