import { PolycomError } from 'polycom';

/**
 * What a construction is written in: affine combinations, and units y = Σ a_p max(x, 0)^p. Over numbers it evaluates
 * the network at a point, over {@link Expression} it builds it, so that what is counted is what is evaluated.
 */
export interface Algebra<T> {
  affine(terms: readonly (readonly [factor: number, of: T])[], constant?: number): T;
  /** @param weight highest power first, as PolyReLU's; [1] is ReLU, [1, 0] its square */
  unit(x: T, weight?: readonly number[]): T;
}

/** ReLU as a PolyReLU, and its powers. */
export const RELU: readonly number[] = [1];
export const SQUARE: readonly number[] = [1, 0];
export const CUBE: readonly number[] = [1, 0, 0];

/** PolyReLU of a number, by Horner's rule. */
export function polyRelu(x: number, weight: readonly number[]): number {
  if (x <= 0) return 0;
  let sum = 0;
  for (const a of weight) sum = sum * x + a;
  return sum * x;
}

/** Evaluates a construction as it is called. */
export const numbers: Algebra<number> = {
  affine(terms, constant = 0) {
    let sum = constant;
    for (const [factor, of] of terms) sum += factor * of;
    return sum;
  },
  unit: (x, weight = RELU) => polyRelu(x, weight),
};

/** An affine combination of a network's inputs (0 … d - 1) and units (d …), by their number. */
export interface Expression {
  readonly terms: ReadonlyMap<number, number>;
  readonly constant: number;
}

interface Unit {
  readonly argument: Expression;
  readonly weight: readonly number[];
}

/** How large a network is. */
export interface NetworkSize {
  readonly units: number;
  /**
   * Weights and biases that are not 0, those of the output too; and of each unit that is no plain ReLU its coefficients
   * that are not 0, although a layer could share them: counted against PolyReLU.
   */
  readonly parameters: number;
  /** The most units on a way from an input to the output. */
  readonly depth: number;
}

/** A feed-forward network as units in the order of their evaluation. Any unit may feed any later one (Yarotsky 2017). */
export class Network implements Algebra<Expression> {
  readonly inputs: readonly Expression[];
  readonly #units: Unit[] = [];
  readonly #depths: number[] = [];

  /** @param inputs how many numbers it takes */
  constructor(inputs: number) {
    this.inputs = Array.from({ length: inputs }, (_, i) => ({ terms: new Map([[i, 1]]), constant: 0 }));
  }

  affine(terms: readonly (readonly [number, Expression])[], constant: number = 0): Expression {
    const sums = new Map<number, number>();
    let total = constant;
    for (const [factor, { terms: of, constant: more }] of terms) {
      total += factor * more;
      for (const [id, weight] of of) sums.set(id, (sums.get(id) ?? 0) + factor * weight);
    }
    for (const [id, weight] of sums) if (weight === 0) sums.delete(id);
    return { terms: sums, constant: total };
  }

  unit(argument: Expression, weight: readonly number[] = RELU): Expression {
    const id = this.inputs.length + this.#units.length;
    this.#units.push({ argument, weight });
    this.#depths.push(1 + this.#depth(argument));
    return { terms: new Map([[id, 1]]), constant: 0 };
  }

  /** The network's size with this as its output. */
  size(output: Expression): NetworkSize {
    let parameters = count(output);
    for (const { argument, weight } of this.#units) {
      parameters += count(argument);
      if (weight.length > 1) parameters += weight.filter((a) => a !== 0).length;
    }
    return { units: this.#units.length, parameters, depth: this.#depth(output) };
  }

  /** The value of an output at a point, every unit evaluated. */
  evaluate(output: Expression, point: readonly number[]): number {
    if (point.length !== this.inputs.length) {
      throw new PolycomError(
        'INVALID_ARGUMENT',
        `a point of ${point.length} numbers for a network of ${this.inputs.length} inputs`,
      );
    }
    const values = [...point];
    const at = ({ terms, constant }: Expression): number => {
      let sum = constant;
      for (const [id, weight] of terms) sum += weight * values[id]!;
      return sum;
    };
    for (const { argument, weight } of this.#units) values.push(polyRelu(at(argument), weight));
    return at(output);
  }

  #depth({ terms }: Expression): number {
    let depth = 0;
    for (const id of terms.keys()) depth = Math.max(depth, this.#depths[id - this.inputs.length] ?? 0);
    return depth;
  }
}

function count({ terms, constant }: Expression): number {
  return terms.size + (constant === 0 ? 0 : 1);
}
