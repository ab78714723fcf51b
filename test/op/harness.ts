import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { functionOf, type Results, tensorsOf, upstreamOf, upstreamTensors } from '../../src/op/compare.js';
import { runBackward, runForward } from '../../src/op/run.js';
import { keptOf, type Op, type Sample } from '../../src/op/types.js';

/** What an op of one differentiable output gives on the active backend, its gradients by the tape. */
export function runByTape(op: Op, sample: Sample, leading?: readonly number[]): Results<Float32Array> {
  return tf.tidy(() => {
    const inputs = tensorsOf(op, sample).map((tensor, i) => {
      const matrix = op.parameters[op.inputs[i]!] === undefined && leading !== undefined;
      return matrix ? tensor.reshape([...leading, tensor.shape[1]!]) : tensor;
    });
    const { f, given } = functionOf(op, inputs, sample);
    const y = f(...given);
    const dy = tf.tensor(upstreamOf(op, sample, 0, y.size), y.shape);
    if (leading !== undefined) expect(y.shape.slice(0, -1)).toEqual(leading);
    return read([y], tf.grads(f)(given, dy), given);
  });
}

/** What an op's two passes give on the active backend. */
export function runPasses(op: Op, sample: Sample): Results<Float32Array> {
  return tf.tidy(() => {
    const inputs = tensorsOf(op, sample);
    const outputs = runForward(op, inputs, sample.scalars);
    const upstream = upstreamTensors(op, sample, outputs);
    const gradients = runBackward(op, keptOf(op, inputs, outputs), upstream, sample.scalars);
    return read(outputs, gradients, functionOf(op, inputs, sample).given);
  });
}

function read(outputs: readonly tf.Tensor[], gradients: readonly tf.Tensor[], inputs: readonly tf.Tensor[]) {
  for (const [i, gradient] of gradients.entries()) expect(gradient.shape).toEqual(inputs[i]!.shape);
  const floats = (tensor: tf.Tensor): Float32Array => tensor.dataSync<'float32'>();
  return { outputs: outputs.map(floats), gradients: gradients.map(floats) };
}
