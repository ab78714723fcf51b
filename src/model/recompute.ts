import type * as tf from '@tensorflow/tfjs-core';
import { nestedGradients } from '../op/nested.js';
import { node } from './tape-node.js';

/**
 * Runs f so that the tape keeps its inputs alone; its gradients are those of f run again (Chen et al. 2016, arXiv
 * 1604.06174). Right for any f of differentiable ops that does the same when it is run again.
 *
 * @param f of the inputs, then of the constants, and of nothing else that has gradients
 * @param constants tensors without gradients, which the tape keeps too
 * @returns f's outputs
 */
export function checkpoint(
  f: (...inputs: tf.Tensor[]) => tf.Tensor[],
  inputs: readonly tf.Tensor[],
  constants: readonly tf.Tensor[] = [],
): tf.Tensor[] {
  return node(
    inputs,
    () => ({ outputs: f(...inputs, ...constants), saved: { inputs, constants } }),
    (saved, dys) => nestedGradients((...given) => f(...given, ...saved.constants), saved.inputs, dys),
  );
}
