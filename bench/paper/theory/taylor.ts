import { type Arithmetic, exactArithmetic, reluArithmetic } from './arithmetic.js';
import { type Algebra, type Expression, Network, type NetworkSize, numbers } from './network.js';
import { ordersUpTo, type Target } from './targets.js';

/** Which network: PolyReLU's with exact products, or ReLU's with so many sawtooth functions a square. */
export type Products = 'exact' | { readonly teeth: number };

/** The class and the grid of a constructive network. */
export interface TaylorSettings {
  /** The smoothness; the local polynomials have degree n - 1. */
  readonly n: number;
  readonly d: 1 | 2;
  /** Cells along each axis. */
  readonly cells: number;
  readonly products: Products;
}

/** Of a local polynomial within its cells: |f| ≤ 1, and the derivatives' parts are less than that again. */
const POLYNOMIAL_BOUND = 2;

/** A part of the network that no other shares: one knot of the grid. */
type Knot = readonly number[];

/**
 * Yarotsky's network (2017, theorem 1) for a target in the unit ball of W^{n,∞}([0, 1]^d): Σ_m φ_m(x) P_m(x) over the
 * grid's knots, φ_m the product of the hats of m's coordinates (a partition of unity), P_m the Taylor polynomial of
 * degree n - 1 at the knot. Monomials and hats are made once; each knot multiplies its φ_m with its P_m. The error of
 * exact products is at most (d / cells)^n / n!.
 */
class Taylor<T> {
  readonly #settings: TaylorSettings;
  readonly #algebra: Algebra<T>;
  readonly #arithmetic: Arithmetic<T>;
  readonly #inputs: readonly T[];
  /** x^α by α, as text. */
  readonly #monomials = new Map<string, T>();
  readonly #hats = new Map<string, T>();
  readonly #partition = new Map<string, T>();
  readonly #polynomials: LocalPolynomials;

  constructor(
    settings: TaylorSettings,
    algebra: Algebra<T>,
    inputs: readonly T[],
    polynomials: LocalPolynomials,
  ) {
    const { n, d, products } = settings;
    this.#polynomials = polynomials;
    this.#settings = settings;
    this.#algebra = algebra;
    this.#inputs = inputs;
    this.#arithmetic =
      products === 'exact' ? exactArithmetic(algebra) : reluArithmetic(algebra, products.teeth);
    for (const orders of ordersUpTo(n - 1, d)) this.#monomials.set(orders.join(), this.#monomial(orders));
  }

  /** φ_m P_m of one knot. */
  knot(target: Target, m: Knot): T {
    const phi = this.#phi(m);
    const terms = this.#polynomials.at(target, m);
    if (this.#settings.n === 1) return this.#algebra.affine([[terms[0]![1], phi]]);
    const local = this.#algebra.affine(
      terms.map(([orders, c]) => [c, this.#monomials.get(orders)!] as const),
    );
    return this.#arithmetic.product(phi, local, 1, POLYNOMIAL_BOUND);
  }

  #phi(m: Knot): T {
    const key = m.join();
    let phi = this.#partition.get(key);
    if (phi === undefined) {
      const [first, second] = m.map((i, axis) => this.#hat(i, axis));
      phi = second === undefined ? first! : this.#carried(this.#arithmetic.product(first!, second, 1, 1));
      this.#partition.set(key, phi);
    }
    return phi;
  }

  #monomial(orders: readonly number[]): T {
    const axes = orders.flatMap((order, axis) => new Array<number>(order).fill(axis));
    if (axes.length === 0) return this.#algebra.affine([], 1);
    const [x, y] = axes.map((axis) => this.#inputs[axis]!);
    if (y === undefined) return x!;
    if (axes[0] === axes[1]) return this.#carried(this.#arithmetic.square(x!, 1));
    return this.#carried(this.#arithmetic.product(x!, y, 1, 1));
  }

  /** A hat of width two cells about knot i of an axis: 1 there, 0 at its neighbours. */
  #hat(i: number, axis: number): T {
    const key = `${i} ${axis}`;
    let hat = this.#hats.get(key);
    if (hat === undefined) {
      const { cells } = this.#settings;
      const ramp = (from: number): T =>
        this.#algebra.unit(this.#algebra.affine([[cells, this.#inputs[axis]!]], -from));
      hat = this.#carried(
        this.#algebra.affine([
          [1, ramp(i - 1)],
          [-2, ramp(i)],
          [1, ramp(i + 1)],
        ]),
      );
      this.#hats.set(key, hat);
    }
    return hat;
  }

  /** What is nowhere negative, as one unit: cheaper to use again than the sum that it is. */
  readonly #carried = (value: T): T => this.#algebra.unit(value);
}

/** Taylor polynomials at the knots of a grid, in powers of x itself; each is worked out once. */
export class LocalPolynomials {
  readonly #settings: Pick<TaylorSettings, 'n' | 'd' | 'cells'>;
  readonly #known = new Map<Target, Map<string, (readonly [orders: string, factor: number])[]>>();

  constructor(settings: Pick<TaylorSettings, 'n' | 'd' | 'cells'>) {
    this.#settings = settings;
  }

  /** Σ_α D^α f (x - m / cells)^α / α!: the factor of each power of x. */
  at(target: Target, m: Knot): readonly (readonly [orders: string, factor: number])[] {
    let ofTarget = this.#known.get(target);
    if (ofTarget === undefined) {
      ofTarget = new Map();
      this.#known.set(target, ofTarget);
    }
    let terms = ofTarget.get(m.join());
    if (terms === undefined) {
      terms = this.#expand(target, m);
      ofTarget.set(m.join(), terms);
    }
    return terms;
  }

  #expand(target: Target, m: Knot): (readonly [string, number])[] {
    const { n, d, cells } = this.#settings;
    const at = m.map((i) => i / cells);
    const all = ordersUpTo(n - 1, d);
    const sums = new Map<string, number>();
    for (const orders of all) {
      const c = target.derivative(orders, at);
      for (const powers of all) {
        if (powers.some((power, i) => power > orders[i]!)) continue;
        const factor = powers.reduce((value, power, i) => value * shifted(orders[i]!, power, at[i]!), c);
        sums.set(powers.join(), (sums.get(powers.join()) ?? 0) + factor);
      }
    }
    return [...sums];
  }
}

/** The factor of x^power in (x - at)^order / order!. */
function shifted(order: number, power: number, at: number): number {
  return (-at) ** (order - power) / (factorial(power) * factorial(order - power));
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

/** The whole network of a target, and its output. */
export function taylorNetwork(settings: TaylorSettings, target: Target): [Network, Expression] {
  const network = new Network(settings.d);
  const taylor = new Taylor(settings, network, network.inputs, new LocalPolynomials(settings));
  const parts = knots(settings.d, settings.cells).map((m) => [1, taylor.knot(target, m)] as const);
  return [network, network.affine(parts)];
}

/** A target of no special values, so that no weight happens to be 0. */
const GENERIC: Target = {
  name: 'generic',
  derivative: (orders, point) =>
    Math.sin(1 + orders[0]! + 2 * (orders[1] ?? 0) + point[0]! + 0.7 * (point[1] ?? 0)),
};

/** The size of the network, whichever the target. */
export function taylorSize(settings: TaylorSettings): NetworkSize {
  const [network, output] = taylorNetwork(settings, GENERIC);
  return network.size(output);
}

/**
 * The networks' values of some targets at a point, from the knots about it: at the others φ_m is 0, exact and approximate
 * products with which are 0 too.
 */
export function taylorValues(
  settings: TaylorSettings,
  targets: readonly Target[],
  point: readonly number[],
  polynomials: LocalPolynomials = new LocalPolynomials(settings),
): number[] {
  const { d, cells } = settings;
  const taylor = new Taylor(settings, numbers, point, polynomials);
  const near = point.map((x) => {
    const i = Math.min(Math.floor(x * cells), cells - 1);
    return [i, i + 1];
  });
  const around = d === 1 ? near[0]!.map((i) => [i]) : near[0]!.flatMap((i) => near[1]!.map((j) => [i, j]));
  return targets.map((target) => around.reduce((sum, m) => sum + taylor.knot(target, m), 0));
}

function knots(d: number, cells: number): Knot[] {
  const axis = Array.from({ length: cells + 1 }, (_, i) => i);
  return d === 1 ? axis.map((i) => [i]) : axis.flatMap((i) => axis.map((j) => [i, j]));
}
