import * as tf from '@tensorflow/tfjs-core';
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

/** The sample's tensors as tf's, in the order of the op's inputs. */
export function tensorsOf(op: TransformerOp, { tensors }: OpSample): tf.Tensor[] {
  return op.inputs.map((name) => {
    const { shape, values } = tensors[name]!;
    return op.integers.includes(name)
      ? tf.tensor(Int32Array.from(values), [...shape], 'int32')
      : tf.tensor(values, [...shape], 'float32');
  });
}

/** The gradient that a test gives of a differentiable output, by its place: normal. */
export function upstreamFor(output: number, length: number): Float32Array {
  return normal(length, 90 + output);
}

/** What both passes should give: every output, and the gradients for {@link upstreamFor}. */
export function expectedOf(op: TransformerOp, sample: OpSample): { outputs: Sums[]; gradients: Sums[] } {
  const [values, scalars] = [valuesOf(sample), scalarsOf(op, sample)];
  const outputs = op.reference.forward(values, scalars);
  const upstream = op.differentiable.map((_, i) =>
    Float64Array.from(upstreamFor(i, outputs[i]!.value.length)),
  );
  return { outputs, gradients: op.reference.backward(values, upstream, scalars) };
}
