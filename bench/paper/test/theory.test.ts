import { uniform } from 'polycom/data';
import { describe, expect, test } from 'vitest';
import { judgeTheory } from '../judge/judge-theory.js';
import { exactArithmetic, reluArithmetic } from '../theory/arithmetic.js';
import { exactRepresentations } from '../theory/exact.js';
import type { TheoryResult } from '../theory/index.js';
import { Network, numbers, polyRelu, SQUARE } from '../theory/network.js';
import { sizeComparisons } from '../theory/size.js';
import { sobolevRates } from '../theory/sobolev.js';
import { integratedSquareWave, ordersUpTo, sobolevTargets } from '../theory/targets.js';
import { taylorNetwork, taylorSize, taylorValues } from '../theory/taylor.js';

describe('networks', () => {
  test('units are PolyReLU', () => {
    expect(polyRelu(2, [3, -1, 0.5])).toBe(3 * 8 - 4 + 1);
    expect(polyRelu(-2, [3, -1, 0.5])).toBe(0);
    expect(polyRelu(0, [1])).toBe(0);
  });

  test('are counted and evaluated as they were built', () => {
    const network = new Network(2);
    const [x, y] = network.inputs;
    const hidden = network.unit(
      network.affine(
        [
          [2, x!],
          [-1, y!],
        ],
        0.5,
      ),
    );
    const second = network.unit(network.affine([[3, hidden]]), SQUARE);
    const output = network.affine([
      [1, second],
      [4, x!],
    ]);
    expect(network.evaluate(output, [1, 0.5])).toBe((3 * 2) ** 2 + 4);
    // Three and one weights of units, one coefficient, two weights of the output.
    expect(network.size(output)).toEqual({ units: 2, parameters: 7, depth: 2 });
    expect(() => network.evaluate(output, [1])).toThrow(/2 inputs/);
  });

  test('terms that cancel are none', () => {
    const network = new Network(1);
    const x = network.inputs[0]!;
    const none = network.affine([
      [1, x],
      [-1, x],
    ]);
    expect(network.size(none).parameters).toBe(0);
  });
});

describe('arithmetic', () => {
  const next = uniform(3);
  const pairs = Array.from({ length: 500 }, () => [4 * next() - 2, 4 * next() - 2] as const);

  test('with PolyReLU is exact', () => {
    const arithmetic = exactArithmetic(numbers);
    for (const [a, b] of pairs) {
      expect(arithmetic.square(a, 2)).toBe(a * a);
      expect(arithmetic.cube(a, 2)).toBe(a * a * a);
      expect(Math.abs(arithmetic.product(a, b, 2, 2) - a * b)).toBeLessThanOrEqual(8 * Number.EPSILON);
    }
  });

  test('with ReLU stays within its bound', () => {
    for (const teeth of [1, 3, 6]) {
      const arithmetic = reluArithmetic(numbers, teeth);
      const bound = 4 * 2 ** (-2 * teeth - 2) * (1 + 1e-12);
      for (const [a, b] of pairs) {
        expect(Math.abs(arithmetic.square(a, 2) - a * a)).toBeLessThanOrEqual(bound);
        expect(Math.abs(arithmetic.product(a, b, 2, 2) - a * b)).toBeLessThanOrEqual(bound);
        expect(arithmetic.product(0, b, 1, 2)).toBe(0);
      }
    }
  });
});

test('ReLU and ReLU² networks are PolyReLU networks bit for bit, polynomials to the last digits', () => {
  const rows = exactRepresentations();
  expect(rows.map(({ kind }) => kind)).toContain('relu2 network');
  for (const { kind, error, relative, name } of rows) {
    if (kind === 'polynomial') expect(relative, name).toBeLessThan(4 * Number.EPSILON);
    else expect(error, name).toBe(0);
  }
  const relu = rows.find(({ kind, name }) => kind === 'relu network' && name === '3 layers of 8')!;
  // 1 · 8 + 2 · 8 · 8 + 8 weights, 3 · 8 + 1 biases: no more than the ReLU network itself.
  expect(relu).toMatchObject({ units: 24, parameters: 169, depth: 3 });
});

describe('sizes', () => {
  const comparisons = sizeComparisons(8);

  test("the sawtooth's error on x² is 2^(-2m-2) exactly, on x y too", () => {
    for (const { name, relu } of comparisons) {
      for (const { teeth, error, predicted } of relu) {
        if (name === 'x³') expect(error).toBeLessThanOrEqual(2 * 2 ** (-2 * teeth - 2));
        else expect(error).toBe(2 ** (-2 * teeth - 2));
        expect(error).toBeLessThanOrEqual(predicted);
      }
    }
  });

  test('PolyReLU is exact with units that do not grow', () => {
    expect(comparisons.map(({ polyrelu }) => [polyrelu.units, polyrelu.error])).toEqual([
      [2, 0],
      [2, 0],
      [4, 0],
    ]);
  });

  test('ReLU units grow with log(1 / ε), above what no network can do with less', () => {
    for (const { name, relu, unitsPerBit } of comparisons) {
      expect(unitsPerBit.low!, name).toBeGreaterThan(0.5);
      for (const { units, unitsAtLeast } of relu) expect(units).toBeGreaterThanOrEqual(unitsAtLeast);
    }
    expect(comparisons[0]!.unitsPerBit.mean).toBeCloseTo(1, 12);
    expect(comparisons[0]!.relu.at(-1)!.unitsAtLeast).toBe(9);
  });
});

describe('Sobolev targets', () => {
  test('integrals of the square wave are integrals of each other', () => {
    const h = 1e-5;
    for (const i of [1, 2, 3]) {
      for (const x of [0.013, 0.26, 0.49, 0.51, 0.77, 1.3, -0.2]) {
        const slope = (integratedSquareWave(i, x + h) - integratedSquareWave(i, x - h)) / (2 * h);
        expect(slope).toBeCloseTo(integratedSquareWave(i - 1, x), 8);
      }
    }
  });

  test.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [1, 2],
    [2, 2],
    [3, 2],
  ] as const)('lie in the unit ball, on its border: n = %d, d = %d', (n, d) => {
    const axis = Array.from({ length: d === 1 ? 4001 : 161 }, (_, i) => i / (d === 1 ? 4000 : 160));
    const points = d === 1 ? axis.map((x) => [x]) : axis.flatMap((x) => axis.map((y) => [x, y]));
    for (const target of sobolevTargets(n, d, 8)) {
      let norm = 0;
      for (const orders of ordersUpTo(n, d)) {
        for (const point of points) norm = Math.max(norm, Math.abs(target.derivative(orders, point)));
      }
      expect(norm, target.name).toBeLessThanOrEqual(1 + 1e-12);
      if (!target.name.includes('slow')) expect(norm, target.name).toBeGreaterThan(0.95);
    }
  });
});

describe('the constructive network', () => {
  test.each([
    [2, 1, 'exact'],
    [3, 1, 4],
    [1, 2, 'exact'],
    [3, 2, 'exact'],
    [3, 2, 3],
  ] as const)(
    'of n = %d, d = %d, products %s: all units together give what the knots nearby do',
    (n, d, kind) => {
      const products = kind === 'exact' ? kind : { teeth: kind };
      const settings = { n, d, cells: 4, products };
      const targets = sobolevTargets(n, d, 4);
      const next = uniform(n, d);
      for (const [i, target] of targets.entries()) {
        const [network, output] = taylorNetwork(settings, target);
        for (let k = 0; k < 10; ++k) {
          const point = Array.from({ length: d }, next);
          const local = taylorValues(settings, targets, point)[i]!;
          expect(network.evaluate(output, point)).toBeCloseTo(local, 12);
        }
      }
    },
  );

  test('has as many units and parameters as cells, and ReLU’s more', () => {
    const size = (cells: number, products: 'exact' | { teeth: number }) =>
      taylorSize({ n: 3, d: 1, cells, products }).parameters;
    expect(size(64, 'exact') - size(32, 'exact')).toBe(32 * (size(2, 'exact') - size(1, 'exact')));
    expect(size(32, { teeth: 4 })).toBeGreaterThan(size(32, 'exact'));
  });

  const cells = { 1: [8, 16, 32], 2: [4, 6, 8] };
  const sobolev = sobolevRates({ cells, perCell: { 1: 8, 2: 4 } });

  test('errs within the bound of theory, at its rate', () => {
    for (const rate of sobolev) {
      const { n, d, polyrelu, relu, polyreluSlope, predictedSlope, polyreluLastSlope } = rate;
      const factorial = [1, 1, 2, 6][n]!;
      for (const { cells, error } of polyrelu) {
        expect(error, `n ${n} d ${d}`).toBeLessThanOrEqual((d / cells) ** n / factorial);
      }
      for (const [i, { error, parameters }] of relu.entries()) {
        expect(error).toBeLessThanOrEqual(1.1 * polyrelu[i]!.error);
        expect(parameters).toBeGreaterThanOrEqual(polyrelu[i]!.parameters);
      }
      expect(polyreluSlope.low!).toBeLessThanOrEqual(polyreluSlope.high!);
      if (d === 1) expect(Math.abs(polyreluLastSlope / predictedSlope - 1)).toBeLessThan(0.1);
    }
  });

  test('and what is computed is judged: a slope that falls short is no reproduction', () => {
    const theory = {
      scale: 'quick',
      exact: exactRepresentations(),
      sizes: sizeComparisons(4),
      sobolev,
      trained: [],
    } as const;
    const verdicts = (result: TheoryResult) => judgeTheory(result).map(({ verdict }) => verdict);
    expect(verdicts(theory)).toEqual(new Array(4).fill('reproduced'));
    expect(JSON.parse(JSON.stringify(theory))).toEqual(theory);
    const short = sobolev.map((rate) => ({ ...rate, polyreluLastSlope: 0.8 * rate.predictedSlope }));
    expect(verdicts({ ...theory, sobolev: short })[2]).toBe('not reproduced');
    const off = theory.exact.map((row) => ({ ...row, error: 1e-9 }));
    expect(verdicts({ ...theory, exact: off })[0]).toBe('not reproduced');
  });
});
