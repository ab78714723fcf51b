import { uniform } from 'polycom/data';
import { describe, expect, test } from 'vitest';
import { band, firstAtOrBelow, type SeedCurve, smooth, tokensToTarget } from '../judge/curves.js';
import { studentQuantile } from '../judge/t-distribution.js';

describe('smoothing', () => {
  test('leaves a line as it is, ends included', () => {
    const line = points(50, (x) => 3 - 0.2 * x);
    for (const [i, { x, y }] of smooth(line, 0.2).entries()) expect(y, `${x}`).toBeCloseTo(line[i]!.y, 10);
  });

  test('takes noise away', () => {
    const next = uniform(1);
    const noisy = points(400, (x) => 3 + Math.exp(-x / 100) + (next() - 0.5));
    const worst = (curve: readonly { x: number; y: number }[]) =>
      Math.max(...curve.map(({ x, y }) => Math.abs(y - 3 - Math.exp(-x / 100))));
    expect(worst(noisy)).toBeGreaterThan(0.45);
    expect(worst(smooth(noisy))).toBeLessThan(0.25);
  });

  test('where few points are near, the two nearest decide', () => {
    const few = points(5, (x) => x * x);
    expect(smooth(few, 0.01).every(({ y }) => Number.isFinite(y))).toBe(true);
  });

  test('refuses what is no curve', () => {
    expect(() => smooth(points(2, () => 1))).toThrow(/2 points/);
    expect(() => smooth([...points(3, () => 1), { x: 1, y: 1 }])).toThrow(/does not rise at point 3/);
    expect(() => smooth(points(3, (x) => (x === 1 ? Number.NaN : 1)))).toThrow(/NaN/);
  });
});

test('a level is crossed between points', () => {
  const curve = points(5, (x) => 4 - x);
  expect(firstAtOrBelow(curve, 2.5)).toBeCloseTo(1.5, 12);
  expect(firstAtOrBelow(curve, 4)).toBe(0);
  expect(firstAtOrBelow(curve, -1)).toBeNull();
});

describe('tokens to a target', () => {
  // loss = a x^-b: the candidate b reaches the reference's end at end^(a/b).
  const curve = (seed: number, factor: number, exponent: number): SeedCurve => ({
    seed,
    points: Array.from({ length: 200 }, (_, i) => ({ x: i + 1, y: factor * (i + 1) ** -exponent })),
  });
  const reference = [0, 1, 2].map((seed) => curve(seed, 5, 0.3));

  test('are those of the known curve', () => {
    const faster = [0, 1, 2].map((seed) => curve(seed, 5 - 0.02 * seed, 0.33));
    const { saving, bySeed, reached } = tokensToTarget(faster, reference, 0.05);
    expect(reached).toBe(3);
    for (const { seed, tokens, saving: share } of bySeed) {
      const exact = ((5 - 0.02 * seed) / (5 * 200 ** -0.3)) ** (1 / 0.33);
      expect(Math.abs(tokens! / exact - 1)).toBeLessThan(0.005);
      expect(share!).toBeCloseTo(1 - tokens! / 200, 12);
    }
    expect(saving!.low!).toBeLessThan(saving!.mean);
    expect(saving!.high!).toBeGreaterThan(saving!.mean);
  });

  test('a seed that does not come there saves nothing, and where none does there is no mean', () => {
    const slow = curve(1, 6, 0.2);
    const { saving, bySeed, reached } = tokensToTarget(
      [curve(0, 5, 0.33), slow, curve(2, 5, 0.33)],
      reference,
    );
    expect(saving!.mean).toBeCloseTo((bySeed[0]!.saving! + bySeed[2]!.saving!) / 3, 12);
    expect(reached).toBe(2);
    expect(bySeed[1]).toMatchObject({ tokens: null, saving: null });
    expect(tokensToTarget([slow], reference)).toMatchObject({ saving: null, reached: 0 });
  });

  test('the reference itself saves nothing', () => {
    expect(tokensToTarget(reference, reference).saving!.mean).toBeCloseTo(0, 12);
    expect(() => tokensToTarget([curve(7, 1, 1)], reference)).toThrow(/no seed in common/);
  });
});

describe('a band', () => {
  test('is the mean and the t interval at each x', () => {
    const curves = [1, 2, 3].map((seed) => ({ seed, points: points(4, (x) => x + seed) }));
    const half = studentQuantile(0.975, 2) / Math.sqrt(3);
    for (const { x, y, low, high } of band(curves)) {
      expect(y).toBeCloseTo(x + 2, 12);
      expect(low!).toBeCloseTo(y - half, 12);
      expect(high!).toBeCloseTo(y + half, 12);
    }
  });

  test('of curves over different x covers their common range', () => {
    const at = (scale: number, seed: number): SeedCurve => ({
      seed,
      points: points(11, (x) => 10 - scale * x).map(({ x, y }) => ({ x: scale * x, y })),
    });
    const mean = band([at(1, 0), at(2, 1)]);
    expect([mean[0]!.x, mean.at(-1)!.x, mean.length]).toEqual([0, 10, 100]);
    for (const { x, y } of mean) expect(y).toBeCloseTo(10 - x, 10);
    expect(() => band([at(1, 0), { seed: 1, points: points(3, () => 1).map(shift) }])).toThrow(/no common/);
  });

  test('of one seed has no interval', () => {
    expect(band([{ seed: 0, points: points(3, () => 1) }])[0]).toEqual({ x: 0, y: 1, low: null, high: null });
  });
});

function points(count: number, f: (x: number) => number): { x: number; y: number }[] {
  return Array.from({ length: count }, (_, x) => ({ x, y: f(x) }));
}

function shift({ x, y }: { x: number; y: number }): { x: number; y: number } {
  return { x: x + 100, y };
}
