import * as tf from '@tensorflow/tfjs-core';
import { rounded } from '../native/dtype.js';
import type { Dtype } from '../native/types.js';
import { runOp } from './run.js';
import { normal, stored } from './sample.js';
import type { Sums } from './sums.js';
import { dtypeOf, type Op, type Sample, scalarsOf, type ValuesByName } from './types.js';

/** How close is close for f32 (design.md): the error's norm, in units of the norm of the summed absolute terms. */
export const BOUND = 1e-6;
/** For 16-bit storage, beside that: how many times the error of rounding the right result. */
export const ROUNDING = 1.1;

/** The smallest normal float: a difference below it is what f32 cannot hold. */
const TINY = 2 ** -126;

/** What a call of an op gives: its outputs, and the gradients for {@link upstreamOf}. */
export interface Results<T> {
  readonly outputs: readonly T[];
  readonly gradients: readonly T[];
}

/** The results that a sample should give. */
export function expected(op: Op, sample: Sample): Results<Sums> {
  const [values, scalars] = [valuesOf(sample), scalarsOf(op, sample.scalars)];
  const outputs = op.reference.forward(values, scalars, sample.dtype);
  const upstream = op.differentiable.map((_, i) =>
    Float64Array.from(upstreamOf(op, sample, i, outputs[i]!.value.length)),
  );
  return { outputs, gradients: op.reference.backward(values, upstream, scalars, sample.dtype) };
}

/** A sample's tensors as references take them. */
export function valuesOf({ tensors }: Sample): ValuesByName {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, values }]) => [
      name,
      { shape, values: Float64Array.from(values) },
    ]),
  );
}

/** A sample's tensors as tf's, in the order of the op's inputs. */
export function tensorsOf(op: Op, { tensors }: Sample): tf.Tensor[] {
  return op.inputs.map((name) => {
    const { shape, values } = tensors[name]!;
    return op.integers.includes(name)
      ? tf.tensor(Int32Array.from(values), [...shape], 'int32')
      : tf.tensor(values, [...shape], 'float32');
  });
}

/** The gradient of the sample's differentiable output `i`, as its dtype holds it. */
export function upstreamOf(op: Op, sample: Sample, i: number, length: number): Float32Array {
  return sample.upstream?.[i] ?? stored(normal(length, 90 + i), dtypeOf(op, op.differentiable[i]!, sample));
}

/** The gradients of the sample's differentiable outputs as tf's. */
export function upstreamTensors(op: Op, sample: Sample, outputs: readonly tf.Tensor[]): tf.Tensor[] {
  return op.differentiable.map((_, i) => {
    const { size, shape } = outputs[i]!;
    return tf.tensor(upstreamOf(op, sample, i, size), shape);
  });
}

/** An op as a function of the inputs that it has gradients of, and those inputs. */
export function functionOf(
  op: Op,
  inputs: readonly tf.Tensor[],
  { scalars }: Sample,
): { f: (...floats: tf.Tensor[]) => tf.Tensor; given: tf.Tensor[] } {
  const f = (...floats: tf.Tensor[]): tf.Tensor =>
    runOp(
      op,
      op.inputs.map((name, i) => floats[op.gradients.indexOf(name)] ?? inputs[i]!),
      scalars,
    );
  return { f, given: op.gradients.map((name) => inputs[op.inputs.indexOf(name)]!) };
}

/** Whether two numbers are both finite, both NaN, or the same infinity. */
export function sameKind(a: number, b: number): boolean {
  if (Number.isFinite(a)) return Number.isFinite(b);
  return Object.is(a, b);
}

/**
 * ‖actual − expected‖ / ‖terms‖; 0 if both are 0. It is infinite where one is NaN or an infinity and the other is not
 * the same.
 */
export function errorOf(actual: ArrayLike<number>, { value, terms }: Sums): number {
  if (actual.length !== value.length) return Number.POSITIVE_INFINITY;
  const errors: number[] = [];
  for (let i = 0; i < value.length; ++i) {
    const [got, wanted] = [actual[i]!, value[i]!];
    if (!sameKind(got, wanted)) return Number.POSITIVE_INFINITY;
    if (Object.is(got, wanted) || Math.abs(got - wanted) < TINY) continue;
    errors.push(got - wanted);
  }
  return errors.length === 0 ? 0 : norm(errors) / norm(terms);
}

/** The largest {@link errorOf} that a dtype excuses: {@link BOUND}, and what rounding to 16 bits takes. */
export function boundOf({ value, terms }: Sums, dtype: Dtype): number {
  if (dtype === 'f32') return BOUND;
  const ideal = norm(value.map((wanted) => rounded(wanted, dtype) - wanted));
  return ideal === 0 ? BOUND : BOUND + (ROUNDING * ideal) / norm(terms);
}

/** Whether two arrays of floats hold the same bits. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b));
}

/** The 2-norm of what is finite, by values that are scaled: the square of a large one is infinite. */
function norm(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; ++i) {
    if (Number.isFinite(values[i])) largest = Math.max(largest, Math.abs(values[i]!));
  }
  if (largest === 0) return 0;
  let sum = 0;
  for (let i = 0; i < values.length; ++i) {
    if (Number.isFinite(values[i])) sum += (values[i]! / largest) ** 2;
  }
  return largest * Math.sqrt(sum);
}
