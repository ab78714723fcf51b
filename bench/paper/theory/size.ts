import type { BandPoint } from '../judge/curves.js';
import { fitLine } from '../judge/regression.js';
import type { Interval } from '../judge/statistics.js';
import { type Arithmetic, exactArithmetic, reluArithmetic } from './arithmetic.js';
import { type Expression, Network, type NetworkSize } from './network.js';

/** A ReLU network for one of the functions, beside what is known of every ReLU network as good. */
export interface ReluSize extends NetworkSize {
  /** Sawtooth functions a square. */
  readonly teeth: number;
  /** The largest error on a grid that holds the middles between the interpolation's knots, where it is largest. */
  readonly error: number;
  /** What the construction's error is by formula; of the cube, an upper bound. */
  readonly predicted: number;
  /** No ReLU network of fewer units has an error this small. */
  readonly unitsAtLeast: number;
}

/** One function on [-1, 1] or [-1, 1]²: its exact PolyReLU network, and ReLU networks of falling error. */
export interface SizeComparison {
  readonly name: 'x²' | 'x³' | 'x y';
  readonly polyrelu: NetworkSize & { readonly error: number };
  readonly relu: readonly ReluSize[];
  /** ReLU units by log2(1 / ε): the slope of a line, which theory says is there. */
  readonly unitsPerBit: Interval;
  /** ReLU units over PolyReLU units, by log2(1 / ε). */
  readonly ratio: readonly Pick<BandPoint, 'x' | 'y'>[];
}

interface Case {
  readonly name: SizeComparison['name'];
  readonly inputs: number;
  readonly f: (point: readonly number[]) => number;
  readonly build: (arithmetic: Arithmetic<Expression>, inputs: readonly Expression[]) => Expression;
  /** Of the ReLU network with m sawtooth functions a square. */
  readonly predicted: (teeth: number) => number;
  /** The linear pieces that an error ε takes. */
  readonly pieces: (error: number) => number;
}

// A line is off a function with |f''| ≥ c by c h² / 16 at least somewhere on an interval of length h. So x² on [-1, 1]
// takes 1 / √(2ε) pieces, x y too (along x = y), and x³ on [1/2, 1], where f'' ≥ 3, half of √(3 / (16ε)).
const CASES: readonly Case[] = [
  {
    name: 'x²',
    inputs: 1,
    f: ([x]) => x! * x!,
    build: (arithmetic, [x]) => arithmetic.square(x!, 1),
    predicted: (m) => 2 ** (-2 * m - 2),
    pieces: (error) => 1 / Math.sqrt(2 * error),
  },
  {
    name: 'x³',
    inputs: 1,
    f: ([x]) => x! ** 3,
    build: (arithmetic, [x]) => arithmetic.cube(x!, 1),
    predicted: (m) => 2 * 2 ** (-2 * m - 2),
    pieces: (error) => Math.sqrt(3 / (16 * error)) / 2,
  },
  {
    name: 'x y',
    inputs: 2,
    f: ([x, y]) => x! * y!,
    build: (arithmetic, [x, y]) => arithmetic.product(x!, y!, 1, 1),
    predicted: (m) => 2 ** (-2 * m - 2),
    pieces: (error) => 1 / Math.sqrt(2 * error),
  },
];

/**
 * The size of ReLU networks against that of a PolyReLU network on x², x³ and x y. From above, by Yarotsky's construction;
 * from below, since a unit at most doubles the number of linear pieces along a line: log2(pieces) units at least.
 *
 * @param most the most sawtooth functions a square, at least 3
 */
export function sizeComparisons(most: number): SizeComparison[] {
  return CASES.map((one) => {
    const exact = measure(one, (network) => exactArithmetic(network), most);
    const relu = Array.from({ length: most }, (_, i): ReluSize => {
      const teeth = i + 1;
      const { error, ...size } = measure(one, (network) => reluArithmetic(network, teeth), teeth);
      const unitsAtLeast = Math.ceil(Math.log2(Math.max(1, one.pieces(error))));
      return { ...size, teeth, error, predicted: one.predicted(teeth), unitsAtLeast };
    });
    const bits = relu.map(({ error }) => Math.log2(1 / error));
    const { slope } = fitLine(
      bits,
      relu.map(({ units }) => units),
    );
    return {
      name: one.name,
      polyrelu: exact,
      relu,
      unitsPerBit: slope,
      ratio: relu.map(({ units }, i) => ({ x: bits[i]!, y: units / exact.units })),
    };
  });
}

function measure(
  { inputs, f, build }: Case,
  arithmeticOf: (network: Network) => Arithmetic<Expression>,
  teeth: number,
): NetworkSize & { error: number } {
  const network = new Network(inputs);
  const output = build(arithmeticOf(network), network.inputs);
  let error = 0;
  for (const point of points(inputs, teeth)) {
    error = Math.max(error, Math.abs(network.evaluate(output, point) - f(point)));
  }
  return { ...network.size(output), error };
}

/** Multiples of 2^-(m+1); in the plane those on its diagonals, where the error of a product is largest, and a coarse grid. */
function* points(inputs: number, teeth: number): Generator<number[]> {
  const steps = 2 ** (teeth + 2);
  const at = (i: number, of: number): number => (2 * i) / of - 1;
  for (let i = 0; i <= steps; ++i) {
    const x = at(i, steps);
    yield* inputs === 1
      ? [[x]]
      : [
          [x, x],
          [x, -x],
        ];
  }
  if (inputs === 1) return;
  for (let i = 0; i <= 64; ++i) for (let j = 0; j <= 64; ++j) yield [at(i, 64), at(j, 64)];
}
