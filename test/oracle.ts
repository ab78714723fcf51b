import * as samples from '../src/op/sample.js';
import type { FusedOp } from '../src/op/types.js';

export { BOUND, errorOf, expected, sameBits } from '../src/op/compare.js';
export { normal, referenceInputs, uniform } from '../src/op/sample.js';

/** A sample, with its ε beside: what most tests vary. */
export interface Sample extends samples.Sample {
  readonly epsilon: number;
}

/** A sample for any op, as in src/op/sample.ts. */
export function sampleOf(
  op: FusedOp,
  rows: number,
  cols: number,
  options: samples.SampleOptions & { epsilon?: number } = {},
): Sample {
  const { epsilon = 1e-6, scalars, ...rest } = options;
  return { ...samples.sampleOf(op, rows, cols, { ...rest, scalars: { ...scalars, epsilon } }), epsilon };
}
