import { rounded } from '../native/dtype.js';
import type { Dtype } from '../native/types.js';
import type { Sums } from './reference.js';
import { isMatrix, referenceInputs, type Sample } from './sample.js';
import type { FusedOp } from './types.js';

/** How close is close for f32 (design.md): the error's norm, in units of the norm of the summed absolute terms. */
export const BOUND = 1e-6;
/** For 16-bit storage, beside that: how many times the error of rounding the right result. */
export const ROUNDING = 1.1;

/** The smallest normal float: a difference below it is what f32 cannot hold. */
const TINY = 2 ** -126;

/** What forward, then backward, should give: y and the gradients. */
export function expected(op: FusedOp, sample: Sample): { y: Sums; gradients: Sums[] } {
  const inputs = referenceInputs(sample);
  return {
    y: op.reference.forward(inputs),
    gradients: op.reference.backward(inputs, Float64Array.from(sample.dy)),
  };
}

/** The dtype of an input's gradient: that of the sample for a matrix, f32 for a coefficient. */
export function gradientDtype(input: string, sample: Sample): Dtype {
  return isMatrix(input) ? sample.dtype : 'f32';
}

/** ‖actual − expected‖ / ‖terms‖; 0 if both are 0. NaN counts as wrong, unless it is expected too. */
export function errorOf(actual: ArrayLike<number>, { value, terms }: Sums): number {
  if (actual.length !== value.length) return Number.POSITIVE_INFINITY;
  let error = 0;
  for (let i = 0; i < value.length; ++i) {
    const [got, wanted] = [actual[i]!, value[i]!];
    if (Number.isNaN(got) !== Number.isNaN(wanted)) return Number.POSITIVE_INFINITY;
    if (Number.isNaN(got) || got === wanted || Math.abs(got - wanted) < TINY) continue;
    error += (got - wanted) ** 2;
  }
  return error === 0 ? 0 : Math.sqrt(error / squaredNorm(terms));
}

/** The largest {@link errorOf} that a dtype excuses: {@link BOUND}, and what rounding to 16 bits takes. */
export function boundOf({ value, terms }: Sums, dtype: Dtype): number {
  if (dtype === 'f32') return BOUND;
  let ideal = 0;
  for (const wanted of value) {
    const error = rounded(wanted, dtype) - wanted;
    if (Number.isFinite(error)) ideal += error ** 2;
  }
  return ideal === 0 ? BOUND : BOUND + ROUNDING * Math.sqrt(ideal / squaredNorm(terms));
}

/** Whether two arrays of floats hold the same bits. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b));
}

function squaredNorm(terms: Float64Array): number {
  let norm = 0;
  for (const term of terms) if (Number.isFinite(term)) norm += term ** 2;
  return norm;
}
