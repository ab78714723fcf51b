import type * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../errors.js';
import { runForward } from '../fused/run.js';
import type { TransformerOp } from '../fused/types.js';
import type { Scalars } from '../op/types.js';

/** Runs an op forward, off any tape. */
export function runKeeping(
  op: TransformerOp,
  inputs: readonly tf.Tensor[],
  scalars: Scalars = {},
): { y: tf.Tensor; kept: tf.Tensor[] } {
  const outputs = runForward(op, inputs, scalars);
  const kept = op.kept.map((name) => {
    const tensor = inputs[op.inputs.indexOf(name)] ?? outputs[op.outputs.indexOf(name)];
    if (tensor !== undefined) return tensor;
    throw new PolycomError('INTERNAL', `${op.name} keeps '${name}', which is no input or output of it`);
  });
  return { y: outputs[0]!, kept };
}
