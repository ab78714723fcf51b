import { PolycomError } from 'polycom';
import { type Interval, meanInterval } from './statistics.js';

/** A point of a run's curve. */
export interface Point {
  /** Tokens or seconds, rising. */
  readonly x: number;
  readonly y: number;
}

/** A point of a mean over seeds, with the ends of its interval; null where there is one seed. */
export interface BandPoint extends Point {
  readonly low: number | null;
  readonly high: number | null;
}

/** One run's curve. */
export interface SeedCurve {
  readonly seed: number;
  readonly points: readonly Point[];
}

const GRID = 100;
const BANDWIDTH = 0.1;

/**
 * A curve smoothed by local linear regression with tricube weights (Cleveland 1979, without the robust steps): no bias
 * at its ends, where a moving average has one.
 *
 * @param bandwidth how far the neighbours reach to each side, as a share of the range of x: 0.1 by default. Where that
 *   holds fewer than two other points, the two nearest decide
 */
export function smooth(points: readonly Point[], bandwidth: number = BANDWIDTH): Point[] {
  checkCurve(points);
  const reach = bandwidth * (points.at(-1)!.x - points[0]!.x);
  return points.map(({ x }, i) => ({ x, y: localLine(points, i, Math.max(reach, nearest(points, i))) }));
}

/** Where a curve first comes down to a level, between its points; null if it does not. */
export function firstAtOrBelow(points: readonly Point[], level: number): number | null {
  const i = points.findIndex(({ y }) => y <= level);
  if (i < 0) return null;
  const [to, from] = [points[i]!, points[i - 1]];
  if (from === undefined) return to.x;
  return from.x + ((to.x - from.x) * (from.y - level)) / (from.y - to.y);
}

/** What a candidate needs to come to the reference's final loss. */
export interface TokensToTarget {
  /**
   * The share of the reference's tokens that is not needed, over seeds: 0.31 is 31 % fewer. A seed that has not come down
   * to the target counts as 0, which is more than it saves. Null where none has.
   */
  readonly saving: Interval | null;
  readonly bySeed: readonly {
    readonly seed: number;
    readonly target: number;
    /** Null where the target was not reached. */
    readonly tokens: number | null;
    readonly saving: number | null;
  }[];
  /** Seeds that reached the target. */
  readonly reached: number;
}

/**
 * The tokens after which a candidate's smoothed curve first comes down to the reference's final smoothed loss, seed by
 * seed, with the interval of the mean over seeds.
 *
 * @param candidate curves over tokens, not smoothed
 * @param reference likewise; the target of each seed is the end of its smoothed curve
 * @throws {PolycomError} `INVALID_ARGUMENT` where they share no seed, or a curve has fewer than three points or does not
 *   rise in x
 */
export function tokensToTarget(
  candidate: readonly SeedCurve[],
  reference: readonly SeedCurve[],
  bandwidth: number = BANDWIDTH,
): TokensToTarget {
  const bySeed = candidate.flatMap(({ seed, points }) => {
    const other = reference.find((curve) => curve.seed === seed);
    if (other === undefined) return [];
    const end = smooth(other.points, bandwidth).at(-1)!;
    const tokens = firstAtOrBelow(smooth(points, bandwidth), end.y);
    return [{ seed, target: end.y, tokens, saving: tokens === null ? null : 1 - tokens / end.x }];
  });
  if (bySeed.length === 0) {
    throw new PolycomError('INVALID_ARGUMENT', 'candidate and reference have no seed in common', {
      remedy: 'run both with the same seeds',
    });
  }
  const reached = bySeed.filter(({ saving }) => saving !== null).length;
  const saving = reached === 0 ? null : meanInterval(bySeed.map(({ saving }) => saving ?? 0));
  return { saving, bySeed, reached };
}

/**
 * The mean of curves over seeds with its pointwise t interval. Curves over different x (seconds, say) are taken at 100
 * places of the range that all of them cover, between their points.
 *
 * @param level 0.95 by default
 */
export function band(curves: readonly SeedCurve[], level: number = 0.95): BandPoint[] {
  if (curves.length === 0) throw new PolycomError('INVALID_ARGUMENT', 'a band of no curves');
  for (const { points } of curves) checkCurve(points);
  return commonGrid(curves).map((x) => {
    const { mean, low, high } = meanInterval(
      curves.map(({ points }) => valueAt(points, x)),
      level,
    );
    return { x, y: mean, low, high };
  });
}

function commonGrid(curves: readonly SeedCurve[]): number[] {
  const first = curves[0]!.points;
  const same = curves.every(
    ({ points }) => points.length === first.length && points.every(({ x }, i) => x === first[i]!.x),
  );
  if (same) return first.map(({ x }) => x);
  const from = Math.max(...curves.map(({ points }) => points[0]!.x));
  const to = Math.min(...curves.map(({ points }) => points.at(-1)!.x));
  if (!(from < to)) {
    throw new PolycomError('INVALID_ARGUMENT', 'the curves cover no common range, so they have no mean');
  }
  return Array.from({ length: GRID }, (_, i) => from + ((to - from) * i) / (GRID - 1));
}

/** The line between the two points around x; the end's value beyond an end. */
function valueAt(points: readonly Point[], x: number): number {
  const i = points.findIndex((point) => point.x >= x);
  if (i < 0) return points.at(-1)!.y;
  const [to, from] = [points[i]!, points[i - 1]];
  if (from === undefined) return to.y;
  return from.y + ((to.y - from.y) * (x - from.x)) / (to.x - from.x);
}

/** A reach that holds the two nearest neighbours of point i, which itself gets a weight too. */
function nearest(points: readonly Point[], i: number): number {
  const around = points.slice(Math.max(0, i - 2), i + 3);
  const distances = around.map(({ x }) => Math.abs(x - points[i]!.x)).sort((a, b) => a - b);
  return distances[2]! * (1 + 1e-6);
}

function localLine(points: readonly Point[], i: number, reach: number): number {
  const x0 = points[i]!.x;
  let [s, sx, sxx, sy, sxy] = [0, 0, 0, 0, 0];
  const visit = (point: Point): boolean => {
    const u = (point.x - x0) / reach;
    if (Math.abs(u) >= 1) return false;
    const weight = (1 - Math.abs(u) ** 3) ** 3;
    s += weight;
    sx += weight * u;
    sxx += weight * u * u;
    sy += weight * point.y;
    sxy += weight * u * point.y;
    return true;
  };
  for (let j = i; j >= 0 && visit(points[j]!); --j);
  for (let j = i + 1; j < points.length && visit(points[j]!); ++j);
  return (sxx * sy - sx * sxy) / (s * sxx - sx * sx);
}

function checkCurve(points: readonly Point[]): void {
  if (points.length < 3) {
    throw new PolycomError('INVALID_ARGUMENT', `a curve of ${points.length} points; expected 3 or more`);
  }
  for (const [i, { x, y }] of points.entries()) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      throw new PolycomError('NOT_FINITE', `point ${i} of a curve is (${x}, ${y})`);
    }
    if (i > 0 && !(x > points[i - 1]!.x)) {
      throw new PolycomError('INVALID_ARGUMENT', `the curve's x does not rise at point ${i}: ${x}`);
    }
  }
}
