import { PolycomError } from 'polycom';
import type { Interval } from './statistics.js';
import { studentQuantile } from './t-distribution.js';

/** A straight line through points by least squares. */
export interface LineFit {
  readonly slope: Interval;
  readonly intercept: Interval;
  /** The standard deviation of the points about the line, n - 2 in the denominator. */
  readonly deviation: number;
}

/**
 * Ordinary least squares, y = intercept + slope x, with t intervals of n - 2 degrees of freedom.
 *
 * @param level 0.95 by default
 * @throws {PolycomError} `INVALID_ARGUMENT` for fewer than three points, or all at one x
 */
export function fitLine(xs: readonly number[], ys: readonly number[], level: number = 0.95): LineFit {
  const n = xs.length;
  if (n < 3 || ys.length !== n) {
    throw new PolycomError(
      'INVALID_ARGUMENT',
      `a line through ${n} x and ${ys.length} y; expected 3 or more`,
    );
  }
  const [mx, my] = [mean(xs), mean(ys)];
  let [sxx, sxy] = [0, 0];
  for (const [i, x] of xs.entries()) {
    sxx += (x - mx) ** 2;
    sxy += (x - mx) * (ys[i]! - my);
  }
  if (!(sxx > 0)) throw new PolycomError('INVALID_ARGUMENT', 'a line through points at one x only');
  const slope = sxy / sxx;
  const intercept = my - slope * mx;
  const squares = xs.reduce((sum, x, i) => sum + (ys[i]! - intercept - slope * x) ** 2, 0);
  const deviation = Math.sqrt(squares / (n - 2));
  const t = studentQuantile((1 + level) / 2, n - 2);
  const about = (value: number, error: number): Interval => ({
    mean: value,
    low: value - t * error,
    high: value + t * error,
    n,
  });
  return {
    slope: about(slope, deviation / Math.sqrt(sxx)),
    intercept: about(intercept, deviation * Math.sqrt(1 / n + (mx * mx) / sxx)),
    deviation,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
