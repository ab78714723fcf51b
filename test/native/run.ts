import { allocate, allocateAligned } from '../../src/native/arguments.js';
import { decode, encoded, type Stored } from '../../src/native/dtype.js';
import type { Queue } from '../../src/native/queue.js';
import { DeviceTensor } from '../../src/native/tensor.js';
import type { Dtype, IntegerTensor, NativeTensor } from '../../src/native/types.js';
import { type Results, upstreamOf } from '../../src/op/compare.js';
import { dtypeOf, keptOf, type Op, passesOf, type Sample, scalarsOf } from '../../src/op/types.js';

/** More than the workspace of any call in the tests. */
const WORKSPACE_BYTES = 1 << 22;

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
  const planned = queue.prepare(native, { inputs, scalars, outputs: count });
  planned.dispose();
  const outputs = planned.outputs.map((tensor) => {
    const { dtype, shape } = tensor;
    if (tensor instanceof DeviceTensor) tensor.dispose();
    const output = allocate(dtype!, shape);
    new Uint8Array((output.data as Stored).buffer).fill(0xff);
    return output;
  });
  const workspace = allocateAligned(WORKSPACE_BYTES).fill(0xff);
  queue.call(native, { inputs, scalars, outputs, workspace });
  return outputs;
}

/** The sample's tensor of this name, its floats stored as a dtype: matrices as the sample's, parameters as f32. */
export function nativeTensor(
  op: Op,
  sample: Sample,
  name: string,
  dtype: Dtype = dtypeOf(op, name, sample),
): NativeInput {
  const { shape, values } = sample.tensors[name]!;
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
  op: Op,
  sample: Sample,
  later: Sample = sample,
): Results<Float32Array> {
  const [forward, backward] = passesOf(op);
  const scalars = Object.values(scalarsOf(op, sample.scalars));
  const inputsOf = (of: Sample) => op.inputs.map((name) => nativeTensor(op, of, name));
  const outputs = callNative(queue, forward.native, inputsOf(sample), scalars, op.outputs.length);
  const upstream = op.differentiable.map((_, i) => {
    const { shape, data, dtype = 'f32' } = outputs[i]!;
    const values = upstreamOf(op, sample, i, (data as Stored).length);
    return { shape, data: encoded(values, dtype), dtype };
  });
  const given = [...keptOf<NativeInput>(op, inputsOf(later), outputs), ...upstream];
  const gradients = callNative(queue, backward.native, given, scalars, op.gradients.length);
  return { outputs: outputs.map(floats), gradients: gradients.map(floats) };
}

/** The floats of a tensor on the CPU. */
export function floats({ data, dtype = 'f32' }: NativeTensor): Float32Array {
  return decode(data as Stored, dtype);
}
