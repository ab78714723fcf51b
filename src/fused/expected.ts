import type { Sums } from '../op/reference.js';
import { normal } from '../op/sample.js';
import type { Scalars } from '../op/types.js';
import type { OpSample, TransformerOp, Values } from './types.js';

/** Every scalar of a call. */
export function scalarsOf(op: TransformerOp, sample: OpSample): Scalars {
  return { ...op.scalars, ...sample.scalars };
}

/** The sample's tensors as references take them. */
export function valuesOf({ tensors }: OpSample): Record<string, Values> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, values }]) => [
      name,
      { shape, values: Float64Array.from(values) },
    ]),
  );
}

/** The gradient that a test gives of a differentiable output, by its place: normal. */
export function upstreamFor(output: number, length: number): Float32Array {
  return normal(length, 90 + output);
}

/** A gradient for each differentiable output. */
export function upstreamOf(op: TransformerOp, sample: OpSample): Float32Array[] {
  const outputs = op.reference.forward(valuesOf(sample), scalarsOf(op, sample));
  return op.differentiable.map((_, i) => upstreamFor(i, outputs[i]!.value.length));
}

/** What both passes should give: every output, and the gradients for {@link upstreamOf}. */
export function expectedOf(op: TransformerOp, sample: OpSample): { outputs: Sums[]; gradients: Sums[] } {
  const upstream = upstreamOf(op, sample).map((dy) => Float64Array.from(dy));
  const [values, scalars] = [valuesOf(sample), scalarsOf(op, sample)];
  return {
    outputs: op.reference.forward(values, scalars),
    gradients: op.reference.backward(values, upstream, scalars),
  };
}
