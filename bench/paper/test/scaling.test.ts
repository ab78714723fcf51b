import { uniform } from 'polycom/data';
import { describe, expect, test } from 'vitest';
import { fitScaling, type ScalingPoint } from '../judge/scaling-law.js';

const SIZES = [1e5, 3e5, 1e6, 3e6, 1e7];
const SEEDS = [0, 1, 2];

function runs(offset: number, scale: number, exponent: number, noise: number, trial: number): ScalingPoint[] {
  const draw = gaussian(trial);
  return SIZES.flatMap((parameters) =>
    SEEDS.map((seed) => ({
      parameters,
      seed,
      loss: offset + scale * parameters ** -exponent + noise * draw(),
    })),
  );
}

describe('without noise the truth is found', () => {
  test('with an offset', () => {
    const { offsetLaw } = fitScaling(runs(1.7, 400, 0.34, 0, 0));
    expect(offsetLaw.exponent.mean).toBeCloseTo(0.34, 6);
    expect(offsetLaw.offset.mean).toBeCloseTo(1.7, 5);
    expect(offsetLaw.scale / 400).toBeCloseTo(1, 4);
  });

  test('without one', () => {
    const { powerLaw, offsetLaw } = fitScaling(runs(0, 12, 0.12, 0, 0));
    expect(powerLaw.exponent.mean).toBeCloseTo(0.12, 10);
    expect(powerLaw.scale).toBeCloseTo(12, 8);
    expect(offsetLaw.exponent.mean).toBeCloseTo(0.12, 5);
    expect(offsetLaw.offset.mean).toBeCloseTo(0, 3);
  });
});

test('95 % intervals hold the truth in about 95 % of trials', () => {
  const TRIALS = 200;
  const [offset, scale, exponent] = [1.5, 200, 0.35];
  const hit = { exponent: 0, offset: 0, curve: 0, power: 0 };
  for (let trial = 0; trial < TRIALS; ++trial) {
    const { offsetLaw } = fitScaling(runs(offset, scale, exponent, 0.01, trial));
    hit.exponent += Number(holds(offsetLaw.exponent, exponent));
    hit.offset += Number(holds(offsetLaw.offset, offset));
    const { x, low, high } = offsetLaw.curve[20]!;
    hit.curve += Number(holds({ low, high }, offset + scale * x ** -exponent));
    const draw = gaussian(trial);
    const logs = runs(0, 10, 0.1, 0, 0).map((run) => ({ ...run, loss: run.loss * Math.exp(0.01 * draw()) }));
    hit.power += Number(holds(fitScaling(logs).powerLaw.exponent, 0.1));
  }
  // Three standard errors of a share of 200 trials about 0.95.
  for (const [name, hits] of Object.entries(hit)) {
    expect(hits / TRIALS, name).toBeGreaterThan(0.904);
    expect(hits / TRIALS, name).toBeLessThan(0.996);
  }
});

test('what the runs do not bound has no end', () => {
  const flat = SIZES.flatMap((parameters, i) =>
    SEEDS.map((seed) => ({ parameters, seed, loss: 2 + 0.01 * Math.sin(5 * i + 3 * seed) })),
  );
  const { offsetLaw } = fitScaling(flat);
  expect(offsetLaw.exponent.low === null || offsetLaw.exponent.high === null).toBe(true);
});

test('means of each size have their interval; the same runs give the same fit', () => {
  const points = runs(1.5, 200, 0.35, 0.01, 7);
  const fit = fitScaling(points);
  expect(fit.sizes.map(({ x }) => x)).toEqual(SIZES);
  for (const { y, low, high } of fit.sizes) {
    expect(low!).toBeLessThan(y);
    expect(high!).toBeGreaterThan(y);
  }
  expect(fitScaling([...points].reverse()).offsetLaw.exponent.mean).toBeCloseTo(
    fit.offsetLaw.exponent.mean,
    8,
  );
  expect(fitScaling(points)).toEqual(fit);
});

test('refuses too few sizes and losses that are none', () => {
  expect(() => fitScaling(runs(1, 1, 0.1, 0, 0).slice(0, 9))).toThrow(/3 sizes/);
  expect(() => fitScaling([{ parameters: 1, seed: 0, loss: Number.NaN }])).toThrow(/NaN/);
});

function holds({ low, high }: { low: number | null; high: number | null }, truth: number): boolean {
  return (low === null || low <= truth) && (high === null || truth <= high);
}

function gaussian(trial: number): () => number {
  const next = uniform(trial);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
