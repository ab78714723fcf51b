import { expect } from 'vitest';
import { expectedOf, scalarsOf, upstreamFor } from '../../src/fused/expected.js';
import { type OpSample, passesOf, type TransformerOp } from '../../src/fused/types.js';
import { allocate, allocateAligned } from '../../src/native/arguments.js';
import { encoded, type Stored } from '../../src/native/dtype.js';
import type { Queue } from '../../src/native/queue.js';
import type { Dtype, IntegerTensor, NativeTensor } from '../../src/native/types.js';
import { BOUND, errorOf } from '../../src/op/compare.js';

/** What an op gives: its outputs, and its gradients for {@link upstreamFor}. */
export interface Results {
  readonly outputs: Float32Array[];
  readonly gradients: Float32Array[];
}

/** An input of a call. */
export type NativeInput = NativeTensor | IntegerTensor;

/** Calls a C function on a queue of the CPU or the emulator, into memory that holds NaN. */
export function callNative(
  queue: Queue,
  native: string,
  inputs: readonly NativeInput[],
  scalars: readonly number[],
  count: number,
): NativeTensor[] {
  const planned = queue.prepare(native, { inputs, scalars, outputs: count }).outputs;
  const outputs = planned.map(({ dtype, shape }) => {
    const output = allocate(dtype!, shape);
    new Uint8Array((output.data as Stored).buffer).fill(0xff);
    return output;
  });
  const workspace = allocateAligned(1 << 22).fill(0xff);
  queue.call(native, { inputs, scalars, outputs, workspace });
  return outputs;
}

/** The sample's tensor of this name, its floats stored as a dtype. */
export function nativeTensor(
  op: TransformerOp,
  { tensors }: OpSample,
  name: string,
  dtype: Dtype = 'f32',
): NativeInput {
  const { shape, values } = tensors[name]!;
  return op.integers.includes(name)
    ? { data: Int32Array.from(values), shape, dtype: 'i32' }
    : { data: encoded(values, dtype), shape, dtype };
}

/**
 * Runs both passes on a queue of the CPU or the emulator, into memory that holds NaN.
 *
 * @param later the sample that the backward pass is given the inputs of
 */
export function runNative(
  queue: Queue,
  op: TransformerOp,
  sample: OpSample,
  later: OpSample = sample,
): Results {
  const [forward, backward] = passesOf(op);
  const scalars = Object.values(scalarsOf(op, sample));
  const call = (native: string, inputs: readonly NativeInput[], count: number) =>
    callNative(queue, native, inputs, scalars, count);
  const inputs = op.inputs.map((name) => nativeTensor(op, sample, name));
  const outputs = call(forward.native, inputs, op.outputs.length);
  const kept = op.kept.map((name) => outputs[op.outputs.indexOf(name)] ?? nativeTensor(op, later, name));
  const upstream = op.differentiable.map((_, i) => {
    const { shape, data } = outputs[i]!;
    return { shape, data: upstreamFor(i, (data as Float32Array).length) };
  });
  const gradients = call(backward.native, [...kept, ...upstream], op.gradients.length);
  const floats = ({ data }: NativeTensor): Float32Array => data as Float32Array;
  return { outputs: outputs.map(floats), gradients: gradients.map(floats) };
}

/** Expects results as near to the reference as f32 arithmetic lets them be. */
export function expectClose(got: Results, op: TransformerOp, sample: OpSample, bound: number = BOUND): void {
  const wanted = expectedOf(op, sample);
  for (const [i, name] of op.outputs.entries())
    expect(errorOf(got.outputs[i]!, wanted.outputs[i]!), name).toBeLessThanOrEqual(bound);
  for (const [i, name] of op.gradients.entries())
    expect(errorOf(got.gradients[i]!, wanted.gradients[i]!), `d${name}`).toBeLessThanOrEqual(bound);
}
