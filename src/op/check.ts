import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../errors.js';

/** What the public ops take for a tensor: one, or what `tf.tensor` makes one of. */
export type Input = tf.Tensor | tf.TensorLike;

/** The typed error of bad tensors. */
export function invalid(
  op: string,
  message: string,
  tensors: Readonly<Record<string, tf.Tensor>>,
  remedy?: string,
): PolycomError {
  const shapes = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
  return new PolycomError('INVALID_ARGUMENT', message, {
    op,
    shapes,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** The input as a float32 tensor. */
export function asTensor(op: string, name: string, value: Input): tf.Tensor {
  const tensor = value instanceof tf.Tensor ? value : fromLike(op, name, value);
  if (tensor.isDisposed) throw invalid(op, `${name} has been disposed`, { [name]: tensor });
  if (tensor.dtype === 'float32') return tensor;
  throw invalid(op, `${name} is ${tensor.dtype}; expected float32`, { [name]: tensor }, `${name}.toFloat()`);
}

function fromLike(op: string, name: string, value: tf.TensorLike): tf.Tensor {
  try {
    return tf.tensor(value);
  } catch (cause) {
    throw new PolycomError('INVALID_ARGUMENT', `${name} is not a tensor, number or array of numbers`, {
      op,
      cause,
    });
  }
}

/** Checks an epsilon: finite in f32, and not negative. */
export function checkEpsilon(op: string, epsilon: number): void {
  if (typeof epsilon === 'number' && epsilon >= 0 && Number.isFinite(Math.fround(epsilon))) return;
  throw new PolycomError('INVALID_ARGUMENT', `epsilon is ${epsilon}; expected a finite number, 0 or more`, {
    op,
  });
}

/** The index of a choice among those that there are, which is the scalar of the C ABI. */
export function checkChoice<T extends string>(
  op: string,
  name: string,
  value: T,
  choices: readonly T[],
): number {
  const index = choices.indexOf(value);
  if (index >= 0) return index;
  const expected = choices.map((choice) => `'${choice}'`).join(' or ');
  throw new PolycomError('INVALID_ARGUMENT', `${name} is '${value}'; expected ${expected}`, { op });
}
