import { PolycomError } from 'polycom';
import { detectableDifference, studentCdf, studentQuantile } from './t-distribution.js';

/** A mean over seeds. Its interval is null where there is one seed only: nothing is known of its spread then. */
export interface Interval {
  readonly mean: number;
  readonly low: number | null;
  readonly high: number | null;
  /** Seeds. */
  readonly n: number;
}

/** The mean of a - b over seeds that both were run with, and what a paired t test says of it. */
export interface PairedDifference extends Interval {
  /** The standard deviation of the differences; null with one seed, as what follows. */
  readonly deviation: number | null;
  /** Two-sided, of a mean of 0. */
  readonly p: number | null;
  /** The smallest difference that such a test finds in 80 % of cases, given this deviation. */
  readonly detectable: number | null;
}

/** A value of one run, of a metric that all seeds have. */
export interface SeedValue {
  readonly seed: number;
  readonly value: number;
}

/**
 * The mean with its t interval, mean ± t(n - 1) s / √n.
 *
 * @param level 0.95 by default
 * @throws {PolycomError} `INVALID_ARGUMENT` for no values, or one that is not finite
 */
export function meanInterval(values: readonly number[], level: number = 0.95): Interval {
  const { mean, deviation, n } = moments(values);
  if (deviation === null) return { mean, low: null, high: null, n };
  const half = (studentQuantile((1 + level) / 2, n - 1) * deviation) / Math.sqrt(n);
  return { mean, low: mean - half, high: mean + half, n };
}

/**
 * a - b, seed by seed, with the t interval of its mean. Seeds that only one of them has are left out.
 *
 * @param level 0.95 by default
 * @throws {PolycomError} `INVALID_ARGUMENT` where they share no seed, or one has a seed twice
 */
export function pairedDifference(
  a: readonly SeedValue[],
  b: readonly SeedValue[],
  level: number = 0.95,
): PairedDifference {
  const others = bySeed(b);
  const values = [...bySeed(a)].flatMap(([seed, value]) => {
    const other = others.get(seed);
    return other === undefined ? [] : [value - other];
  });
  if (values.length === 0) {
    throw new PolycomError('INVALID_ARGUMENT', 'the two have no seed in common, so nothing can be paired', {
      remedy: 'run both with the same seeds',
    });
  }
  const interval = meanInterval(values, level);
  const { mean, deviation, n } = moments(values);
  if (deviation === null) return { ...interval, deviation, p: null, detectable: null };
  const t = mean === 0 ? 0 : mean / (deviation / Math.sqrt(n));
  return {
    ...interval,
    deviation,
    p: 2 * studentCdf(-Math.abs(t), n - 1),
    detectable: detectableDifference(deviation, n),
  };
}

/** A difference among several of one family, corrected for their number. */
export interface HolmDifference extends PairedDifference {
  /** Holm's adjusted p: below 0.05, the difference is resolved although several were tried. */
  readonly holm: number | null;
  /** The level of its interval: 95 % over the whole family, as Holm's procedure divides it. */
  readonly level: number;
  /** How many the family has. */
  readonly comparisons: number;
  /** The interval that it would have if nothing else had been compared: uncorrected. */
  readonly alone: Pick<Interval, 'low' | 'high'>;
}

/** What is compared: a candidate's values and a reference's. */
export type Compared = readonly [candidate: readonly SeedValue[], reference: readonly SeedValue[]];

/**
 * Differences of one family, corrected by Holm's step-down procedure (1979): the smallest p is tested at α / m, the next
 * at α / (m - 1), …, and the first that fails ends it. Each interval has the level of its own test.
 *
 * @param alpha 0.05 by default, over all of them
 * @returns candidate minus reference, in the family's order
 */
export function holmDifferences(family: readonly Compared[], alpha: number = 0.05): HolmDifference[] {
  const alone = family.map((pair) => pairedDifference(...pair, 1 - alpha));
  const ps = alone.map(({ p }) => p ?? 1);
  const adjusted = holm(ps);
  const order = [...ps.keys()].sort((i, j) => ps[i]! - ps[j]! || i - j);
  return family.map((pair, i) => {
    const level = 1 - alpha / (family.length - order.indexOf(i));
    const { p, low, high } = alone[i]!;
    return {
      ...pairedDifference(...pair, level),
      holm: p === null ? null : adjusted[i]!,
      level,
      comparisons: family.length,
      alone: { low, high },
    };
  });
}

/** Holm's adjusted p values: in ascending order, the running maximum of (m - rank) p, at most 1. */
export function holm(ps: readonly number[]): number[] {
  const order = [...ps.keys()].sort((i, j) => ps[i]! - ps[j]!);
  const adjusted = new Array<number>(ps.length);
  let least = 0;
  for (const [rank, i] of order.entries()) {
    least = Math.min(1, Math.max(least, (ps.length - rank) * ps[i]!));
    adjusted[i] = least;
  }
  return adjusted;
}

interface Moments {
  readonly mean: number;
  /** With n - 1 in the denominator; null for one value. */
  readonly deviation: number | null;
  readonly n: number;
}

function moments(values: readonly number[]): Moments {
  const n = values.length;
  const wrong = values.find((value) => !Number.isFinite(value));
  if (n === 0 || wrong !== undefined) {
    const got = n === 0 ? 'no values' : `the value ${wrong}`;
    throw new PolycomError('INVALID_ARGUMENT', `${got}; expected one finite number or more`, {
      remedy: 'leave out runs that diverged, and say how many they were',
    });
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, deviation: null, n };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (n - 1)), n };
}

function bySeed(values: readonly SeedValue[]): Map<number, number> {
  const map = new Map(values.map(({ seed, value }) => [seed, value]));
  if (map.size === values.length) return map;
  throw new PolycomError('INVALID_ARGUMENT', 'a seed occurs twice; expected one run for each');
}
