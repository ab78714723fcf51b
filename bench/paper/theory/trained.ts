import { PolycomError } from 'polycom';
import { type Interval, meanInterval } from '../judge/statistics.js';
import { Perceptron, train } from './perceptron.js';
import { sobolevTargets } from './targets.js';

/** One activation trained on one target, over seeds, at the best of the rates that were tried. */
export interface TrainedRow {
  readonly target: string;
  readonly activation: string;
  /** Inputs of the target. */
  readonly d: 1 | 2;
  readonly hidden: number;
  readonly parameters: number;
  readonly steps: number;
  /** Adam's rate: the one with the least mean log error. */
  readonly rate: number;
  /** Whether it lies at an end of the rates tried, so that a better one may lie beyond. */
  readonly rateAtBorder: boolean;
  /** log10 of the largest error on a finer grid, over seeds. */
  readonly logError: Interval;
  /** log10 of the root mean square error likewise. */
  readonly logRms: Interval;
  /** Seeds whose training ended in numbers that are not finite; they are in no mean. */
  readonly diverged: number;
}

/** How much is trained. */
export interface TrainedScale {
  readonly activations: readonly string[];
  readonly targets: readonly TrainedTarget['name'][];
  readonly hidden: readonly number[];
  readonly seeds: number;
  readonly steps: number;
  readonly rates: readonly number[];
}

interface TrainedTarget {
  readonly name: 'x²' | 'x³' | 'x y' | 'spline (n = 2)' | 'sine × sine (n = 2)';
  readonly d: 1 | 2;
  readonly f: (point: readonly number[]) => number;
}

const [SPLINE, SINES] = [sobolevTargets(2, 1, 2)[3]!, sobolevTargets(2, 2, 2)[1]!];

/** On [-1, 1] and [-1, 1]²; those of the Sobolev balls are stretched from [0, 1], and scaled to a largest value of 1. */
const TARGETS: readonly TrainedTarget[] = [
  { name: 'x²', d: 1, f: ([x]) => x! ** 2 },
  { name: 'x³', d: 1, f: ([x]) => x! ** 3 },
  { name: 'x y', d: 2, f: ([x, y]) => x! * y! },
  // Its second derivative is ±1, so that its largest value is 1/32.
  { name: 'spline (n = 2)', d: 1, f: ([x]) => 32 * SPLINE.derivative([0], [(x! + 1) / 2]) },
  {
    name: 'sine × sine (n = 2)',
    d: 2,
    f: ([x, y]) => (2 * Math.PI) ** 2 * SINES.derivative([0, 0], [(x! + 1) / 2, (y! + 1) / 2]),
  },
];

/** Points along an axis: those of training, and those that errors are measured at. */
const POINTS = { 1: { train: 65, test: 513 }, 2: { train: 11, test: 33 } };

/**
 * Trains small networks at equal parameters, which the constructions stand beside: what a user gets. Full-batch Adam in
 * f64, every activation at the best of the same rates; the same arguments give the same numbers.
 */
export function trainedRows(
  scale: TrainedScale,
  onStep: (text: string) => void = () => undefined,
): TrainedRow[] {
  return scale.targets.flatMap((name) => {
    const target = TARGETS.find((candidate) => candidate.name === name);
    if (target === undefined) throw new PolycomError('INVALID_ARGUMENT', `there is no target '${name}'`);
    return scale.activations.flatMap((activation) => {
      onStep(`training on ${name}: ${activation}`);
      return scale.hidden.map((hidden) => best(target, activation, hidden, scale));
    });
  });
}

function best(target: TrainedTarget, activation: string, hidden: number, scale: TrainedScale): TrainedRow {
  const rows = scale.rates.flatMap((rate, i) => {
    const row = trained(target, activation, hidden, rate, scale);
    const rateAtBorder = scale.rates.length > 1 && (i === 0 || i === scale.rates.length - 1);
    return row === undefined ? [] : [{ ...row, rateAtBorder }];
  });
  if (rows.length === 0) {
    throw new PolycomError(
      'NOT_FINITE',
      `${activation} on ${target.name} diverged with every seed at every rate: ${scale.rates.join(', ')}`,
      { remedy: 'try lower rates' },
    );
  }
  return rows.reduce((a, b) => {
    if (a.diverged !== b.diverged) return a.diverged < b.diverged ? a : b;
    return b.logError.mean < a.logError.mean ? b : a;
  });
}

/** Nothing where every seed diverged. */
function trained(
  { name, d, f }: TrainedTarget,
  activation: string,
  hidden: number,
  rate: number,
  { seeds, steps }: TrainedScale,
): Omit<TrainedRow, 'rateAtBorder'> | undefined {
  const points = grid(d, POINTS[d].train);
  const [values, fine] = [valuesOf(f, points, d), grid(d, POINTS[d].test)];
  const exact = valuesOf(f, fine, d);
  const errors: number[] = [];
  const squares: number[] = [];
  let size = { hidden, parameters: 0 };
  for (let seed = 0; seed < seeds; ++seed) {
    const network = new Perceptron(activation, d, hidden, seed);
    size = { hidden: network.hidden, parameters: network.size };
    train(network, points, values, { steps, rate });
    const off = network.forward(fine).map((y, i) => Math.abs(y - exact[i]!));
    const sup = off.reduce((most, error) => Math.max(most, error), 0);
    if (!Number.isFinite(sup)) continue;
    errors.push(Math.log10(sup));
    squares.push(Math.log10(Math.sqrt(off.reduce((sum, error) => sum + error ** 2, 0) / off.length)));
  }
  if (errors.length === 0) return undefined;
  const over = (logs: readonly number[]): Interval => meanInterval(logs);
  return {
    target: name,
    activation,
    d,
    ...size,
    steps,
    rate,
    logError: over(errors),
    logRms: over(squares),
    diverged: seeds - errors.length,
  };
}

function grid(d: 1 | 2, count: number): Float64Array {
  const axis = Array.from({ length: count }, (_, i) => (2 * i) / (count - 1) - 1);
  return Float64Array.from(d === 1 ? axis : axis.flatMap((x) => axis.flatMap((y) => [x, y])));
}

function valuesOf(f: TrainedTarget['f'], points: Float64Array, d: number): Float64Array {
  return Float64Array.from({ length: points.length / d }, (_, r) =>
    f([...points.subarray(r * d, r * d + d)]),
  );
}
