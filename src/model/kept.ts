import type * as tf from '@tensorflow/tfjs-core';
import { runForward } from '../fused/run.js';
import { keptOf, type TransformerOp } from '../fused/types.js';
import type { Scalars } from '../op/types.js';

/** Runs an op forward, off any tape. */
export function runKeeping(
  op: TransformerOp,
  inputs: readonly tf.Tensor[],
  scalars: Scalars = {},
): { y: tf.Tensor; kept: tf.Tensor[] } {
  const outputs = runForward(op, inputs, scalars);
  return { y: outputs[0]!, kept: keptOf(op, inputs, outputs) };
}
