import { PolycomError } from 'polycom';
import type { BandPoint } from './curves.js';
import { fitLine } from './regression.js';
import { type Interval, meanInterval } from './statistics.js';
import { studentQuantile } from './t-distribution.js';

/** A run of one size. */
export interface ScalingPoint {
  /** N, the model's parameters. */
  readonly parameters: number;
  readonly seed: number;
  readonly loss: number;
}

/** A parameter of a fit. An end is null where the runs do not bound it on that side. */
export type Estimate = Omit<Interval, 'n'>;

/** L(N) = offset + scale N^-exponent, fitted. */
export interface ScalingFit {
  /** `offset` with E, the loss that no size goes below; `power` without. */
  readonly law: 'offset' | 'power';
  /** E, 0 in a power law. */
  readonly offset: Estimate;
  /** A. */
  readonly scale: number;
  /** α. */
  readonly exponent: Estimate;
  /** The standard deviation of the runs about the curve: of the loss, or in a power law of its logarithm. */
  readonly deviation: number;
  /** The curve within the range of sizes, with the pointwise interval of the mean loss. */
  readonly curve: readonly BandPoint[];
}

/** What was measured of one activation over sizes, and both fits of it. */
export interface Scaling {
  /** The mean loss of each size over its seeds. */
  readonly sizes: readonly BandPoint[];
  readonly offsetLaw: ScalingFit;
  readonly powerLaw: ScalingFit;
}

const CURVE_POINTS = 60;
/** The exponents that are looked at. Measured ones lie between 0.05 and 0.7. */
const EXPONENTS = { from: 1e-3, to: 5 };
/** Steps that narrow a bracket below what f64 tells apart at a least value. */
const SECTIONS = 48;
const BISECTIONS = 40;
const MIN_SIZES = 4;

/**
 * Fits both laws to the runs of one activation: L = E + A N^-α with E ≥ 0 by least squares of the loss, and L = A N^-α by
 * a line through the logarithms. Intervals of E and α are those of their profiles, SSE ≤ SSE_min (1 + t² / df), which are
 * exact in size where the delta method's are not: three parameters through a few sizes are far from linear. The curve's
 * interval is by the delta method. Runs are taken as independent.
 *
 * @param points four sizes or more
 * @param level 0.95 by default
 * @throws {PolycomError} `INVALID_ARGUMENT` for fewer sizes, fewer than five runs, or a loss that is not positive
 */
export function fitScaling(points: readonly ScalingPoint[], level: number = 0.95): Scaling {
  const sizes = [...new Set(points.map(({ parameters }) => parameters))].sort((a, b) => a - b);
  check(points, sizes);
  return {
    sizes: sizes.map((x) => {
      const losses = points.filter(({ parameters }) => parameters === x).map(({ loss }) => loss);
      const { mean, low, high } = meanInterval(losses, level);
      return { x, y: mean, low, high };
    }),
    offsetLaw: fitOffset(points, sizes, level),
    powerLaw: fitPower(points, sizes, level),
  };
}

function fitPower(points: readonly ScalingPoint[], sizes: readonly number[], level: number): ScalingFit {
  const xs = points.map(({ parameters }) => Math.log(parameters));
  const { slope, intercept, deviation } = fitLine(
    xs,
    points.map(({ loss }) => Math.log(loss)),
    level,
  );
  const mean = xs.reduce((sum, x) => sum + x, 0) / xs.length;
  const sxx = xs.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const t = studentQuantile((1 + level) / 2, xs.length - 2);
  return {
    law: 'power',
    offset: { mean: 0, low: 0, high: 0 },
    scale: Math.exp(intercept.mean),
    exponent: { mean: -slope.mean, low: -slope.high!, high: -slope.low! },
    deviation,
    curve: range(sizes).map((x) => {
      const at = intercept.mean + slope.mean * Math.log(x);
      const half = t * deviation * Math.sqrt(1 / xs.length + (Math.log(x) - mean) ** 2 / sxx);
      return { x, y: Math.exp(at), low: Math.exp(at - half), high: Math.exp(at + half) };
    }),
  };
}

function fitOffset(points: readonly ScalingPoint[], sizes: readonly number[], level: number): ScalingFit {
  // Sizes over their geometric mean, so that N^-α is near 1 whatever α.
  const unit = Math.exp(sizes.reduce((sum, size) => sum + Math.log(size), 0) / sizes.length);
  const ratios = points.map(({ parameters }) => parameters / unit);
  const losses = points.map(({ loss }) => loss);
  const byExponent = (alpha: number): Linear => bestLinear(ratios, losses, alpha);
  const alpha = minimise((a) => byExponent(a).squares, EXPONENTS.from, EXPONENTS.to);
  const best = byExponent(alpha);
  const df = points.length - 3;
  const t = studentQuantile((1 + level) / 2, df);
  const bound = best.squares * (1 + (t * t) / df) + Number.MIN_VALUE;
  const profile = (e: number): number => {
    const squaresOf = (a: number): number => squaresAt(ratios, losses, a, e);
    return squaresOf(minimise(squaresOf, EXPONENTS.from, EXPONENTS.to));
  };
  const deviation = Math.sqrt(best.squares / df);
  const spread = covariance(ratios, alpha, best, deviation);
  return {
    law: 'offset',
    offset: {
      mean: best.offset,
      low: crossing(profile, best.offset, 0, bound) ?? 0,
      high: crossing(profile, best.offset, Math.max(...losses), bound),
    },
    scale: best.scale * unit ** alpha,
    exponent: {
      mean: alpha,
      low: crossing((a) => byExponent(a).squares, alpha, EXPONENTS.from, bound),
      high: crossing((a) => byExponent(a).squares, alpha, EXPONENTS.to, bound),
    },
    deviation,
    curve: range(sizes).map((x) => {
      const y = best.offset + best.scale * (x / unit) ** -alpha;
      const half = t * spread(x / unit);
      return { x, y, low: y - half, high: y + half };
    }),
  };
}

interface Linear {
  readonly offset: number;
  readonly scale: number;
  readonly squares: number;
}

/** The best E ≥ 0 and A at a given exponent: linear least squares. */
function bestLinear(ratios: readonly number[], losses: readonly number[], alpha: number): Linear {
  const us = ratios.map((ratio) => ratio ** -alpha);
  const n = us.length;
  const [mu, my] = [sum(us) / n, sum(losses) / n];
  let [suu, suy] = [0, 0];
  for (const [i, u] of us.entries()) {
    suu += (u - mu) ** 2;
    suy += (u - mu) * (losses[i]! - my);
  }
  const scale = suy / suu;
  const offset = my - scale * mu;
  if (offset >= 0) return { offset, scale, squares: squares(us, losses, offset, scale) };
  const through = scaleAt(us, losses, 0);
  return { offset: 0, scale: through, squares: squares(us, losses, 0, through) };
}

function squaresAt(
  ratios: readonly number[],
  losses: readonly number[],
  alpha: number,
  offset: number,
): number {
  const us = ratios.map((ratio) => ratio ** -alpha);
  return squares(us, losses, offset, scaleAt(us, losses, offset));
}

function scaleAt(us: readonly number[], losses: readonly number[], offset: number): number {
  return sum(us.map((u, i) => u * (losses[i]! - offset))) / sum(us.map((u) => u * u));
}

function squares(us: readonly number[], losses: readonly number[], offset: number, scale: number): number {
  return sum(us.map((u, i) => (losses[i]! - offset - scale * u) ** 2));
}

/** The standard error of the curve at a ratio, by the delta method. An E at its border 0 counts as known. */
function covariance(
  ratios: readonly number[],
  alpha: number,
  { offset, scale }: Linear,
  deviation: number,
): (ratio: number) => number {
  const gradient = (ratio: number): number[] => {
    const u = ratio ** -alpha;
    return [u, -scale * u * Math.log(ratio), ...(offset > 0 ? [1] : [])];
  };
  const rows = ratios.map(gradient);
  const size = rows[0]!.length;
  const normal = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) => sum(rows.map((row) => row[i]! * row[j]!))),
  );
  return (ratio) => {
    const g = gradient(ratio);
    const solved = solve(normal, g);
    return deviation * Math.sqrt(Math.max(0, sum(g.map((value, i) => value * solved[i]!))));
  };
}

/** Gaussian elimination with row pivoting, of a few equations. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  const n = rows.length;
  for (let k = 0; k < n; ++k) {
    const rest = rows.slice(k).map((row) => Math.abs(row[k]!));
    const pivot = k + rest.indexOf(Math.max(...rest));
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    for (let i = k + 1; i < n; ++i) {
      const factor = rows[i]![k]! / rows[k]![k]!;
      for (let j = k; j <= n; ++j) rows[i]![j]! -= factor * rows[k]![j]!;
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; --i) {
    const known = sum(x.slice(i + 1).map((value, j) => value * rows[i]![i + 1 + j]!));
    x[i] = (rows[i]![n]! - known) / rows[i]![i]!;
  }
  return x;
}

/** The least of f between `from` and `to`, by a search of golden sections of its argument's logarithm. */
function minimise(f: (x: number) => number, from: number, to: number): number {
  const golden = (Math.sqrt(5) - 1) / 2;
  const at = (share: number): number => from * (to / from) ** share;
  let [low, high] = [0, 1];
  let [left, right] = [1 - golden, golden];
  let [atLeft, atRight] = [f(at(left)), f(at(right))];
  for (let i = 0; i < SECTIONS; ++i) {
    if (atLeft < atRight) {
      [high, right, atRight] = [right, left, atLeft];
      left = high - golden * (high - low);
      atLeft = f(at(left));
    } else {
      [low, left, atLeft] = [left, right, atRight];
      right = low + golden * (high - low);
      atRight = f(at(right));
    }
  }
  return at((low + high) / 2);
}

/** Where a profile that rises from `from` towards `to` crosses a bound; null if it does not. */
function crossing(f: (x: number) => number, from: number, to: number, bound: number): number | null {
  if (f(to) <= bound) return null;
  let [inside, outside] = [from, to];
  for (let i = 0; i < BISECTIONS; ++i) {
    const middle = (inside + outside) / 2;
    if (f(middle) <= bound) inside = middle;
    else outside = middle;
  }
  return (inside + outside) / 2;
}

function range(sizes: readonly number[]): number[] {
  const [from, to] = [sizes[0]!, sizes.at(-1)!];
  return Array.from({ length: CURVE_POINTS }, (_, i) => from * (to / from) ** (i / (CURVE_POINTS - 1)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function check(points: readonly ScalingPoint[], sizes: readonly number[]): void {
  const wrong = points.find(({ loss, parameters }) => !(loss > 0 && parameters > 0));
  if (wrong !== undefined) {
    const { parameters, loss } = wrong;
    throw new PolycomError(
      'INVALID_ARGUMENT',
      `a run of ${parameters} parameters has the loss ${loss}; expected positive numbers`,
    );
  }
  if (sizes.length >= MIN_SIZES && points.length > MIN_SIZES) return;
  throw new PolycomError(
    'INVALID_ARGUMENT',
    `${sizes.length} sizes and ${points.length} runs; expected ${MIN_SIZES} sizes and ${MIN_SIZES + 1} runs or more`,
    { remedy: 'run more sizes, or more seeds of them' },
  );
}
