import { fitLine } from '../judge/regression.js';
import type { Interval } from '../judge/statistics.js';
import { sobolevTargets, type Target } from './targets.js';
import { LocalPolynomials, type TaylorSettings, taylorSize, taylorValues } from './taylor.js';

/** One grid's network: its size, and its error on the worst of the targets. */
export interface SobolevPoint {
  readonly cells: number;
  /** Sawtooth functions a square; null where products are exact. */
  readonly teeth: number | null;
  readonly units: number;
  readonly parameters: number;
  readonly depth: number;
  /** The largest error of any target at any point of a fine grid. */
  readonly error: number;
  /** The target with that error. */
  readonly worst: string;
}

/** Error against parameters for one class, PolyReLU against ReLU. */
export interface SobolevRate {
  readonly n: number;
  readonly d: 1 | 2;
  readonly targets: readonly string[];
  readonly polyrelu: readonly SobolevPoint[];
  /** With the fewest sawtooth functions with which the error is at most a tenth above PolyReLU's. */
  readonly relu: readonly SobolevPoint[];
  /** -n / d: log error by log parameters, of PolyReLU; ReLU's has a factor log(1 / ε) of parameters besides. */
  readonly predictedSlope: number;
  /** Measured, by a line. Its interval is of the points about the line: there is no other chance here. */
  readonly polyreluSlope: Interval;
  readonly reluSlope: Interval;
  /**
   * Between the two largest grids of PolyReLU's alone: nearer to the rate, since k cells have k + 1 knots, which makes
   * small grids look dear and the line steeper.
   */
  readonly polyreluLastSlope: number;
  /** ReLU's parameters over PolyReLU's by log2(1 / ε). */
  readonly ratio: readonly { readonly x: number; readonly y: number }[];
}

/** What is looked at. */
export interface SobolevScale {
  readonly cells: { readonly 1: readonly number[]; readonly 2: readonly number[] };
  /** Points a cell, along each axis. */
  readonly perCell: { readonly 1: number; readonly 2: number };
}

/** How much of PolyReLU's error ReLU's products may add. */
const ADDED = 0.1;

/** The rates of n = 1, 2, 3 in one and two dimensions. */
export function sobolevRates(
  scale: SobolevScale,
  onStep: (text: string) => void = () => undefined,
): SobolevRate[] {
  return ([1, 2] as const).flatMap((d) =>
    [1, 2, 3].map((n) => {
      onStep(`Sobolev ball of n = ${n}, d = ${d}`);
      return sobolevRate(n, d, scale);
    }),
  );
}

function sobolevRate(n: number, d: 1 | 2, scale: SobolevScale): SobolevRate {
  const of = (settings: TaylorSettings): SobolevPoint =>
    measured(settings, sobolevTargets(n, d, settings.cells), scale.perCell[d]);
  const polyrelu = scale.cells[d].map((cells) => of({ n, d, cells, products: 'exact' }));
  let teeth = 1;
  const relu = polyrelu.map(({ cells, error }) => {
    for (; ; ++teeth) {
      const point = of({ n, d, cells, products: { teeth } });
      if (point.error <= (1 + ADDED) * error) return point;
    }
  });
  return {
    n,
    d,
    targets: sobolevTargets(n, d, 2).map(({ name }) => name),
    polyrelu,
    relu,
    predictedSlope: -n / d,
    polyreluSlope: slopeOf(polyrelu),
    reluSlope: slopeOf(relu),
    polyreluLastSlope: slopeBetween(polyrelu.at(-2)!, polyrelu.at(-1)!),
    ratio: relu.map(({ parameters, error }, i) => ({
      x: Math.log2(1 / error),
      y: parameters / polyrelu[i]!.parameters,
    })),
  };
}

function measured(settings: TaylorSettings, targets: readonly Target[], perCell: number): SobolevPoint {
  const { d, cells, products } = settings;
  const steps = cells * perCell;
  const axis = Array.from({ length: steps + 1 }, (_, i) => i / steps);
  const polynomials = new LocalPolynomials(settings);
  const zero = new Array<number>(d).fill(0);
  let [error, worst] = [0, ''];
  const visit = (point: readonly number[]): void => {
    for (const [i, value] of taylorValues(settings, targets, point, polynomials).entries()) {
      const off = Math.abs(value - targets[i]!.derivative(zero, point));
      if (off > error) [error, worst] = [off, targets[i]!.name];
    }
  };
  for (const x of axis) {
    if (d === 1) visit([x]);
    else for (const y of axis) visit([x, y]);
  }
  const teeth = products === 'exact' ? null : products.teeth;
  return { cells, teeth, ...taylorSize(settings), error, worst };
}

function slopeOf(points: readonly SobolevPoint[]): Interval {
  return fitLine(
    points.map(({ parameters }) => Math.log(parameters)),
    points.map(({ error }) => Math.log(error)),
  ).slope;
}

function slopeBetween(a: SobolevPoint, b: SobolevPoint): number {
  return Math.log(b.error / a.error) / Math.log(b.parameters / a.parameters);
}
