import * as tf from '@tensorflow/tfjs-core';
import { nestedGradients } from '../op/nested.js';
import { hasKernel } from '../op/run.js';
import type { Scalars } from '../op/types.js';
import { keptOf, passesOf, type TransformerOp } from './types.js';

/**
 * Runs an op, differentiably: fused where the active backend has its kernels, else composed, which is said once.
 *
 * @param inputs in the order of the op's
 * @param scalars those that are not the op's defaults
 * @returns the op's first output
 */
export function runFused<T extends tf.Tensor>(
  op: TransformerOp,
  inputs: readonly tf.Tensor[],
  scalars: Scalars = {},
): T {
  if (!hasKernel(op.kernelName)) {
    return tf.tidy(() => op.composed(inputs, { ...op.scalars, ...scalars })[0]!) as T;
  }
  // Only what has a gradient is the tape's: it wants one for each.
  const run = tf.customGrad((...given) => {
    const save = given[given.length - 1] as unknown as (tensors: tf.Tensor[]) => void;
    const outputs = runForward(op, inputs, scalars);
    save(keptOf(op, inputs, outputs));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => runBackward(op, saved, [dy], scalars);
    return { value: outputs[0]!, gradFunc };
  });
  return run(...op.gradients.map((name) => inputs[op.inputs.indexOf(name)]!)) as T;
}

/**
 * Runs an op's forward pass: every output, also those that its backward pass needs. For functions that write their own
 * gradient (`tf.customGrad`); a tape records nothing of it where it is fused.
 */
export function runForward(
  op: TransformerOp,
  inputs: readonly tf.Tensor[],
  scalars: Scalars = {},
): tf.Tensor[] {
  const [forward] = passesOf(op);
  const all = { ...op.scalars, ...scalars };
  if (hasKernel(forward.kernelName)) return runKernel(forward.kernelName, forward.inputs, inputs, all);
  const outputs = tf.tidy(() => op.composed(inputs, all));
  return outputs;
}

/**
 * Runs an op's backward pass.
 *
 * @param kept the op's `kept` tensors
 * @param upstream the gradients of its `differentiable` outputs
 * @returns the gradients of its `gradients` inputs
 */
export function runBackward(
  op: TransformerOp,
  kept: readonly tf.Tensor[],
  upstream: readonly tf.Tensor[],
  scalars: Scalars = {},
): tf.Tensor[] {
  const [, backward] = passesOf(op);
  const all = { ...op.scalars, ...scalars };
  if (hasKernel(backward.kernelName)) {
    return runKernel(backward.kernelName, backward.inputs, [...kept, ...upstream], all);
  }
  if (op.composedGradients !== undefined) {
    return tf.tidy(() => op.composedGradients!(kept, upstream, all));
  }
  const of = (name: string) => kept[op.kept.indexOf(name)]!;
  const f = (...floats: tf.Tensor[]) => {
    const inputs = op.inputs.map((name) => floats[op.gradients.indexOf(name)] ?? of(name));
    return op.composed(inputs, all).slice(0, op.differentiable.length);
  };
  return nestedGradients(f, op.gradients.map(of), upstream);
}

function runKernel(
  kernelName: string,
  names: readonly string[],
  tensors: readonly tf.Tensor[],
  scalars: Scalars,
): tf.Tensor[] {
  const named = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
  const result = tf.engine().runKernel(kernelName, named, scalars as unknown as tf.NamedAttrMap);
  return Array.isArray(result) ? (result as tf.Tensor[]) : [result as tf.Tensor];
}
