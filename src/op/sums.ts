import { rounded } from '../native/dtype.js';
import type { Dtype } from '../native/types.js';

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

  /** The values as they are read back where 16 bits store them; in f32 as they are. */
  readBack(dtype: Dtype): Float64Array {
    return dtype === 'f32' ? this.value : this.value.map((value) => rounded(value, dtype));
  }
}
