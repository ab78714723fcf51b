import type { Sums } from '../src/op/reference.js';
import type { FusedOp, ReferenceInputs } from '../src/op/types.js';

/** How close is close for f32 (design.md): the error's norm, in units of the norm of the summed absolute terms. */
export const BOUND = 1e-6;

/** A generator of repeatable numbers: mulberry32, uniform in [0, 1). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed floats. */
export function normal(length: number, seed: number, scale: number = 1): Float32Array {
  const next = uniform(seed);
  return Float32Array.from(
    { length },
    () => scale * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}

/** The tensors of one call of an op, in its order, and dy. */
export interface Sample {
  readonly rows: number;
  readonly cols: number;
  readonly epsilon: number;
  /** By the op's input names. */
  readonly tensors: Readonly<Record<string, Float32Array>>;
  readonly dy: Float32Array;
}

/** A sample for any op: x and dy normal, weights and bias of no particular pattern. */
export function sampleOf(
  op: FusedOp,
  rows: number,
  cols: number,
  options: { seed?: number; scale?: number; epsilon?: number; order?: number } = {},
): Sample {
  const { seed = 1, scale = 1, epsilon = 1e-6, order = 3 } = options;
  const weights = [0.4, -0.3, 0.7, 0.2];
  const every: Record<string, Float32Array> = {
    x: normal(rows * cols, seed, scale),
    weight: Float32Array.from(weights.slice(0, order)),
    bias: Float32Array.of(0.1),
  };
  const tensors = Object.fromEntries(op.inputs.map((name) => [name, every[name]!]));
  return { rows, cols, epsilon, tensors, dy: normal(rows * cols, seed + 1) };
}

/** A sample as the f64 reference takes it. */
export function referenceInputs({ cols, epsilon, tensors }: Sample): ReferenceInputs {
  const wide = Object.entries(tensors).map(([name, values]) => [name, Float64Array.from(values)]);
  return { cols, scalars: { epsilon }, tensors: Object.fromEntries(wide) };
}

/** What forward, then backward, should give: y and the gradients. */
export function expected(op: FusedOp, sample: Sample): { y: Sums; gradients: Sums[] } {
  const inputs = referenceInputs(sample);
  return {
    y: op.reference.forward(inputs),
    gradients: op.reference.backward(inputs, Float64Array.from(sample.dy)),
  };
}

/** The smallest normal float: a difference below it is what f32 cannot hold. */
const TINY = 2 ** -126;

/** ‖actual − expected‖ / ‖terms‖; 0 if both are 0. NaN counts as wrong, unless it is expected too. */
export function errorOf(actual: ArrayLike<number>, { value, terms }: Sums): number {
  if (actual.length !== value.length) return Number.POSITIVE_INFINITY;
  let error = 0;
  let norm = 0;
  for (let i = 0; i < value.length; ++i) {
    const [got, wanted] = [actual[i]!, value[i]!];
    if (Number.isNaN(got) !== Number.isNaN(wanted)) return Number.POSITIVE_INFINITY;
    if (Number.isNaN(got) || got === wanted || Math.abs(got - wanted) < TINY) continue;
    error += (got - wanted) ** 2;
  }
  for (const term of terms) if (Number.isFinite(term)) norm += term ** 2;
  return error === 0 ? 0 : Math.sqrt(error / norm);
}

/** Whether two arrays of floats hold the same bits. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b));
}
