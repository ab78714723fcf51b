import * as tf from '@tensorflow/tfjs-core';
import { nestedGradients } from './nested.js';
import { hasKernel } from './run.js';
import { backwardPass, type FusedOp, type Scalars } from './types.js';

/**
 * Runs an op's backward pass, for gradient functions that are written by hand: fused where the active backend has its
 * kernel, without a run of the op itself.
 *
 * @param dy the gradient of the op's output
 * @returns a gradient for each input
 */
export function runOpBackward(
  op: FusedOp,
  inputs: readonly tf.Tensor[],
  dy: tf.Tensor,
  scalars: Scalars,
): tf.Tensor[] {
  const backward = backwardPass(op);
  if (!hasKernel(backward.kernelName)) {
    return composedBackward(op.composed, inputs, dy, scalars);
  }
  const named = Object.fromEntries(backward.inputs.map((name, i) => [name, inputs[i] ?? dy]));
  const result = tf.engine().runKernel(backward.kernelName, named, scalars as unknown as tf.NamedAttrMap);
  return (Array.isArray(result) ? result : [result]) as tf.Tensor[];
}

/** The gradients of a composition for its inputs, from that of its output: those of the composition run again. */
export function composedBackward(
  composed: FusedOp['composed'],
  inputs: readonly tf.Tensor[],
  dy: tf.Tensor,
  scalars: Scalars,
): tf.Tensor[] {
  return nestedGradients((...given) => [composed(given, scalars)], inputs, [dy]);
}
