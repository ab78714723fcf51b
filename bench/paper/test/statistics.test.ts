import { uniform } from 'polycom/data';
import { describe, expect, test } from 'vitest';
import { fitLine } from '../judge/regression.js';
import {
  type HolmDifference,
  holm,
  holmDifferences,
  meanInterval,
  pairedDifference,
} from '../judge/statistics.js';
import { detectableDifference, noncentralCdf, studentCdf, studentQuantile } from '../judge/t-distribution.js';

// Numbers are SciPy 1.17's unless said otherwise.
describe("Student's t", () => {
  test.each([
    [0.975, 1, 12.706204736174694],
    [0.9999, 1, 3183.098757118502],
    [0.975, 2, 4.302652729749462],
    [0.995, 3, 5.840909309733355],
    [0.8, 4, 0.9409645772352383],
    [0.975, 29, 2.045229642132703],
    [0.0001, 100, -3.861599790950091],
  ])('quantile %d with %d degrees of freedom', (p, df, expected) => {
    expect(studentQuantile(p, df) / expected).toBeCloseTo(1, 11);
  });

  test.each([
    [-3.2, 4, 0.016450405300469487],
    [0.5, 1, 0.6475836176504333],
    [7, 13, 0.9999953294213879],
  ])('distribution function at %d with %d degrees of freedom', (t, df, expected) => {
    expect(studentCdf(t, df)).toBeCloseTo(expected, 13);
  });

  // By scipy.integrate.quad of the same integral; scipy.stats.nct is good to 1e-10 there, and to 2e-6 in the third.
  test.each([
    [2.776, 4, 1.5, 0.78730634884093],
    [4.302652729749462, 2, 5, 0.2808194646433032],
    [12.706204736174694, 1, 30, 0.018583962387442005],
    [2, 29, 1, 0.8291565369463779],
    [-1, 3, 2, 0.0030052475953985056],
  ])('noncentral, at %d with %d degrees of freedom about %d', (t, df, delta, expected) => {
    expect(noncentralCdf(t, df, delta)).toBeCloseTo(expected, 12);
  });

  test('noncentral about 0 is central', () => {
    expect(noncentralCdf(1.3, 6, 0)).toBeCloseTo(studentCdf(1.3, 6), 12);
  });

  test('refuses what has no distribution', () => {
    expect(() => studentQuantile(0.975, 0)).toThrow(/degrees of freedom are 0/);
    expect(() => studentQuantile(1, 3)).toThrow(/p is 1/);
    expect(() => noncentralCdf(1, 1.5, 0)).toThrow(/1.5/);
  });
});

describe('the smallest detectable difference', () => {
  // SciPy: brentq over the integral above; R's power.t.test(type = 'paired', strict = TRUE) is the same definition.
  test.each([
    [2, 11.549888435882346],
    [3, 3.2640435496995712],
    [5, 1.681996965955554],
    [10, 0.9960013714554442],
    [30, 0.5292356151129515],
  ])('of %d pairs with deviation 1', (n, expected) => {
    expect(detectableDifference(1, n)).toBeCloseTo(expected, 9);
    expect(detectableDifference(0.02, n)).toBeCloseTo(0.02 * expected, 10);
  });

  test('is found in 80 % of trials, and 5 % find one where there is none', () => {
    const [n, trials] = [4, 2000];
    const size = detectableDifference(1, n);
    const share = (shift: number): number => {
      let found = 0;
      for (let trial = 0; trial < trials; ++trial) {
        const next = uniform(trial);
        const draw = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
        const values = Array.from({ length: n }, (_, seed) => ({ seed, value: draw() + shift }));
        const zeros = values.map(({ seed }) => ({ seed, value: 0 }));
        if (pairedDifference(values, zeros).p! < 0.05) ++found;
      }
      return found / trials;
    };
    expect(Math.abs(share(size) - 0.8)).toBeLessThan(0.027); // three standard errors
    expect(Math.abs(share(0) - 0.05)).toBeLessThan(0.015);
  });
});

describe('over seeds', () => {
  const a = seeds(3.1, 3.12, 3.08, 3.15);
  const b = seeds(3.14, 3.15, 3.13, 3.16);

  test('mean and interval', () => {
    const { mean, low, high } = meanInterval([1.2, 1.5, 0.9, 1.1, 1.7]);
    expect(mean).toBeCloseTo(1.28, 14);
    expect(low).toBeCloseTo(0.8834443199090368, 12);
    expect(high).toBeCloseTo(1.6765556800909631, 12);
  });

  test('of one seed nothing is known but its value', () => {
    expect(meanInterval([2])).toEqual({ mean: 2, low: null, high: null, n: 1 });
    expect(pairedDifference(seeds(2), seeds(3)).p).toBeNull();
  });

  test('paired differences', () => {
    const difference = pairedDifference(a, b);
    expect(difference.mean).toBeCloseTo(-0.0325, 12);
    expect(difference.p).toBeCloseTo(0.031874195103556456, 10);
    expect(difference.low).toBeCloseTo(-0.05967530883795989, 11);
    expect(difference.high).toBeCloseTo(-0.0053246911620400544, 11);
    expect(difference.deviation).toBeCloseTo(0.017078251276599184, 12);
    expect(difference.detectable).toBeCloseTo(0.017078251276599184 * 2.1279493432577983, 9);
  });

  test('pairs are those of seeds, whatever the order; the others are left out', () => {
    const more = [...a, { seed: 9, value: 100 }].reverse();
    expect(pairedDifference(more, b).mean).toBeCloseTo(-0.0325, 12);
    expect(() => pairedDifference(a, [{ seed: 9, value: 1 }])).toThrow(/no seed in common/);
    expect(() => pairedDifference(a, [...b, b[0]!])).toThrow(/twice/);
    expect(() => meanInterval([1, Number.NaN])).toThrow(/NaN/);
    expect(() => meanInterval([])).toThrow(/no values/);
  });

  test("Holm's adjusted p", () => {
    // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), 'holm')
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
    for (const [i, p] of [0.03, 0.06, 0.06, 0.02].entries()) expect(adjusted[i]).toBeCloseTo(p, 14);
    expect(holm([0.6, 0.9])).toEqual([1, 1]);
  });

  test("Holm's interval leaves 0 out exactly where its test rejects", () => {
    const alike = b.map(({ seed, value }) => ({ seed, value: value + (seed % 2) * 1e-3 }));
    const family = [a, alike, seeds(3.2, 3.1, 3.3, 3.15)].map((candidate) => [candidate, b] as const);
    const [first, same] = holmDifferences(family) as [HolmDifference, HolmDifference];
    // 1 - 0.05 / 3, by SciPy
    expect(first.level).toBeCloseTo(1 - 0.05 / 3, 14);
    expect(first.low).toBeCloseTo(-0.07397160663433566, 10);
    expect(first.high).toBeCloseTo(0.00897160663433582, 10);
    expect(first.holm).toBeCloseTo(3 * 0.031874195103556456, 9);
    expect(same.holm).toBeGreaterThan(0.05);
    const [alone] = holmDifferences([[a, b]]);
    expect(alone!.holm).toBeCloseTo(0.031874195103556456, 9);
    expect(alone!.high).toBeLessThan(0);
    expect(first.alone).toEqual({ low: alone!.low, high: alone!.high });
    expect([first.comparisons, alone!.comparisons]).toEqual([3, 1]);
  });
});

test('a line, with its intervals', () => {
  // scipy.stats.linregress, and t(3) = 3.182446305283708
  const { slope, intercept } = fitLine([0, 1, 2, 3, 4], [1.0, 3.1, 4.9, 7.0, 8.85]);
  expect(slope.mean).toBeCloseTo(LINE.slope, 12);
  expect(slope.low).toBeCloseTo(LINE.slope - 3.182446305283708 * LINE.slopeError, 9);
  expect(intercept.mean).toBeCloseTo(LINE.intercept, 12);
  expect(intercept.high).toBeCloseTo(LINE.intercept + 3.182446305283708 * LINE.interceptError, 9);
  expect(() => fitLine([1, 1, 1], [1, 2, 3])).toThrow(/one x/);
});

const LINE = {
  slope: 1.96,
  slopeError: 0.027080128015447083,
  intercept: 1.05,
  interceptError: 0.06633249580709301,
};

function seeds(...values: number[]): { seed: number; value: number }[] {
  return values.map((value, seed) => ({ seed, value }));
}
