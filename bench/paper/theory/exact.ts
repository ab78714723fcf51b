import { uniform } from 'polycom/data';
import { type Arithmetic, exactArithmetic } from './arithmetic.js';
import { type Expression, Network, type NetworkSize, RELU, SQUARE } from './network.js';

/** A function as a PolyReLU network, and how far the two are apart in f64. */
export interface ExactRow extends NetworkSize {
  readonly name: string;
  readonly kind: 'relu network' | 'relu2 network' | 'polynomial';
  readonly points: number;
  /** The largest absolute difference at the points. */
  readonly error: number;
  /** The largest difference as a share of the sum of the terms' absolute values: f64 tells 1.1e-16 apart. */
  readonly relative: number;
}

const POINTS = 2001;
const RANGE = 2;
const POLYNOMIALS: Readonly<Record<string, readonly number[]>> = {
  'x²': [0, 0, 1],
  'x³': [0, 0, 0, 1],
  '1 - 2x + 3x² - x³': [1, -2, 3, -1],
  'Chebyshev T₄': [1, 0, -8, 0, 8],
  'Chebyshev T₅': [0, 5, 0, -20, 0, 16],
  'Legendre P₆': [-5 / 16, 0, 105 / 16, 0, -315 / 16, 0, 231 / 16],
};

/**
 * ReLU and ReLU² networks and polynomials as PolyReLU networks (the paper's lemma 1 and theorem 1): the first two with the
 * same weights and the coefficients (1) or (1, 0); polynomials from powers, x^2k = (x^k)², x^(2k+1) = x^k x^(k+1).
 */
export function exactRepresentations(): ExactRow[] {
  const shapes = [
    { width: 8, depth: 1 },
    { width: 8, depth: 3 },
    { width: 32, depth: 4 },
  ];
  const networks = shapes.flatMap((shape, seed) => [
    randomNetwork('relu network', shape, seed),
    randomNetwork('relu2 network', shape, seed),
  ]);
  return [...networks, ...Object.entries(POLYNOMIALS).map(([name, terms]) => polynomialRow(name, terms))];
}

/** A polynomial c_0 + c_1 x + … as the output of a PolyReLU network of one input. */
export function polynomial(
  network: Network,
  coefficients: readonly number[],
  arithmetic: Arithmetic<Expression> = exactArithmetic(network),
): Expression {
  const powers = new Map([
    [0, network.affine([], 1)],
    [1, network.inputs[0]!],
  ]);
  const power = (p: number): Expression => {
    let known = powers.get(p);
    if (known === undefined) {
      known = made(p);
      powers.set(p, known);
    }
    return known;
  };
  const made = (p: number): Expression => {
    if (p === 3) return arithmetic.cube(power(1), RANGE);
    const half = Math.floor(p / 2);
    if (p % 4 === 0) return network.unit(power(half), SQUARE); // of what is nowhere negative
    if (p % 2 === 0) return arithmetic.square(power(half), RANGE ** half);
    return arithmetic.product(power(half), power(half + 1), RANGE ** half, RANGE ** (half + 1));
  };
  const terms = coefficients.flatMap((c, p) => (c === 0 ? [] : [[c, power(p)] as const]));
  return network.affine(terms);
}

function polynomialRow(name: string, coefficients: readonly number[]): ExactRow {
  const network = new Network(1);
  const output = polynomial(network, coefficients);
  let [error, relative] = [0, 0];
  for (const x of grid()) {
    const exact = coefficients.reduceRight((sum, c) => sum * x + c, 0);
    const terms = coefficients.reduceRight((sum, c) => sum * Math.abs(x) + Math.abs(c), 0);
    const difference = Math.abs(network.evaluate(output, [x]) - exact);
    error = Math.max(error, difference);
    relative = Math.max(relative, terms === 0 ? 0 : difference / terms);
  }
  return { name, kind: 'polynomial', ...network.size(output), points: POINTS, error, relative };
}

/** A random dense network, evaluated plainly, beside the PolyReLU network with its weights. */
function randomNetwork(
  kind: 'relu network' | 'relu2 network',
  { width, depth }: { readonly width: number; readonly depth: number },
  seed: number,
): ExactRow {
  const next = uniform(seed, width, depth);
  const draw = (count: number): number[] => Array.from({ length: count }, () => 2 * next() - 1);
  const weight = kind === 'relu network' ? RELU : SQUARE;
  const activation = (x: number): number => (kind === 'relu network' ? Math.max(x, 0) : Math.max(x, 0) ** 2);
  const layers = Array.from({ length: depth + 1 }, (_, layer) =>
    Array.from({ length: layer === depth ? 1 : width }, () => ({
      weights: draw(layer === 0 ? 1 : width).map((w) => w / Math.sqrt(layer === 0 ? 1 : width)),
      bias: draw(1)[0]!,
    })),
  );
  const network = new Network(1);
  let expressions: Expression[] = [...network.inputs];
  for (const [i, layer] of layers.entries()) {
    const sums = layer.map(({ weights, bias }) =>
      network.affine(
        weights.map((w, j) => [w, expressions[j]!] as const),
        bias,
      ),
    );
    expressions = i === depth ? sums : sums.map((sum) => network.unit(sum, weight));
  }
  const output = expressions[0]!;
  let [error, relative] = [0, 0];
  for (const x of grid()) {
    let [values, terms]: [number[], number] = [[x], 1];
    for (const [i, layer] of layers.entries()) {
      terms = Math.max(
        ...layer.map(({ weights, bias }) =>
          weights.reduce((sum, w, j) => sum + Math.abs(w * values[j]!), Math.abs(bias)),
        ),
      );
      const sums = layer.map(({ weights, bias }) =>
        weights.reduce((sum, w, j) => sum + w * values[j]!, bias),
      );
      values = i === depth ? sums : sums.map(activation);
    }
    const difference = Math.abs(network.evaluate(output, [x]) - values[0]!);
    error = Math.max(error, difference);
    relative = Math.max(relative, difference / terms);
  }
  const name = `${depth} layers of ${width}`;
  return { name, kind, ...network.size(output), points: POINTS, error, relative };
}

function grid(): number[] {
  return Array.from({ length: POINTS }, (_, i) => -RANGE + (2 * RANGE * i) / (POINTS - 1));
}
