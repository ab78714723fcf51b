import { allocate, allocateAligned } from '../../src/native/arguments.js';
import { decode, encode, type Stored } from '../../src/native/dtype.js';
import type { Queue } from '../../src/native/queue.js';
import type { NativeTensor } from '../../src/native/types.js';
import { isMatrix, type Sample, shapeOf } from '../../src/op/sample.js';
import { backwardPass, type FusedOp, forwardPass } from '../../src/op/types.js';

/** More than the workspace of any call in the tests. */
const WORKSPACE_BYTES = 1 << 20;

/** What an op gives: floats, whatever they are stored as. */
export interface Results {
  readonly y: Float32Array;
  readonly gradients: Float32Array[];
}

/** Runs an op forward and backward, on the CPU or the emulator, into outputs and a workspace that hold NaN. */
export function runNative(queue: Queue, op: FusedOp, sample: Sample): Results {
  const inputs = op.inputs.map((name) => tensorOf(name, sample));
  const scalars = op.scalars.map((name) => sample.scalars[name]!);
  const workspace = allocateAligned(WORKSPACE_BYTES).fill(0xff);
  const [y] = queue.call(forwardPass(op).native, { inputs, scalars, outputs: [emptyLike(inputs[0]!)] });
  const gradients = queue.call(backwardPass(op).native, {
    inputs: [...inputs, stored(sample.dy, sample)],
    scalars,
    outputs: inputs.map(emptyLike),
    workspace,
  });
  return { y: floats(y!), gradients: gradients.map(floats) };
}

/** The floats of a tensor on the CPU. */
export function floats({ data, dtype = 'f32' }: NativeTensor): Float32Array {
  return decode(data as Stored, dtype);
}

/** An input of a sample: matrices in its dtype, weight [order] and the scalar bias in f32. */
export function tensorOf(name: string, sample: Sample): NativeTensor {
  const data = sample.tensors[name]!;
  return isMatrix(name) ? stored(data, sample) : { data, shape: shapeOf(name, sample) };
}

/** A matrix of a sample as its dtype stores it. */
export function stored(values: Float32Array, { rows, cols, dtype }: Sample): NativeTensor {
  const tensor = allocate(dtype, [rows, cols]);
  encode(values, dtype, tensor.data as Stored);
  return tensor;
}

function emptyLike({ shape, dtype = 'f32' }: NativeTensor): NativeTensor {
  const output = allocate(dtype, shape);
  new Uint8Array((output.data as Stored).buffer).fill(0xff);
  return output;
}
