import type { Reference, Scalars } from './types.js';

/** Values summed in f64, with the sum of the terms' absolute values beside each. */
export class Sums {
  readonly value: Float64Array;
  readonly terms: Float64Array;

  constructor(length: number) {
    this.value = new Float64Array(length);
    this.terms = new Float64Array(length);
  }

  /** Adds a term to element `i`. `terms`: the absolute terms that it is a sum of itself. */
  add(i: number, term: number, terms: number = Math.abs(term)): void {
    this.value[i]! += term;
    this.terms[i]! += terms;
  }
}

/**
 * The reference of an element-wise op without coefficients: y = value(x), dx = dy · slope(x). `slope` gives the
 * terms that it is the sum of, since those may cancel.
 */
export function elementwiseReference(
  value: (x: number, scalars: Scalars) => number,
  slope: (x: number, scalars: Scalars) => readonly number[],
): Reference {
  return {
    forward({ scalars, tensors: { x } }) {
      const y = new Sums(x!.length);
      for (const [j, xj] of x!.entries()) y.add(j, value(xj, scalars));
      return y;
    },
    backward({ scalars, tensors: { x } }, dy) {
      const dx = new Sums(x!.length);
      for (const [j, xj] of x!.entries()) {
        for (const term of slope(xj, scalars)) dx.add(j, dy[j]! * term);
      }
      return [dx];
    },
  };
}
