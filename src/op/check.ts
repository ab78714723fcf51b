import * as tf from '@tensorflow/tfjs-core';
import { invalidArgument, type PolycomError } from '../common/errors.js';

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
  return invalidArgument(message, { op, shapes, ...(remedy === undefined ? {} : { remedy }) });
}

/** The input as a float32 tensor. */
export function asTensor(op: string, name: string, value: Input): tf.Tensor {
  return asDtype(op, name, value, 'float32');
}

/** The input as an int32 tensor. */
export function asIntegers(op: string, name: string, value: Input): tf.Tensor {
  return asDtype(op, name, value, 'int32');
}

function asDtype(op: string, name: string, value: Input, dtype: 'float32' | 'int32'): tf.Tensor {
  const tensor = value instanceof tf.Tensor ? value : fromLike(op, name, value, dtype);
  if (tensor.isDisposed) throw invalid(op, `${name} has been disposed`, { [name]: tensor });
  if (tensor.dtype === dtype) return tensor;
  throw invalid(
    op,
    `${name} is ${tensor.dtype}; expected ${dtype}`,
    { [name]: tensor },
    castOf(name, tensor, dtype),
  );
}

/** What makes numbers of a tensor: text has none, and a complex number two. */
function castOf(name: string, { dtype }: tf.Tensor, wanted: 'float32' | 'int32'): string {
  if (dtype === 'string') return `give numbers: ${name} is text`;
  const real = dtype === 'complex64' ? `tf.real(${name})` : name;
  if (wanted === 'int32') return `${real}.toInt()`;
  return dtype === 'complex64' ? `${real}, or tf.imag(${name})` : `${real}.toFloat()`;
}

function fromLike(op: string, name: string, value: tf.TensorLike, dtype: 'float32' | 'int32'): tf.Tensor {
  try {
    // Whole numbers would be taken for floats.
    return dtype === 'float32' ? tf.tensor(value) : tf.tensor(value, undefined, dtype);
  } catch (cause) {
    throw invalidArgument(`${name} is not a tensor, number or array of numbers`, { op, cause });
  }
}
