import { findNative, type NativeLibrary } from '../../src/native/library.js';
import type { Queue } from '../../src/native/queue.js';
import type { NativeTensor } from '../../src/native/types.js';
import { backwardPass, type FusedOp, forwardPass } from '../../src/op/types.js';
import type { Sample } from '../oracle.js';

const found = findNative();
if (!found.found) console.warn(`skipped: the tests of the native library: ${found.reason}`);

/** The library, or undefined where it has not been built: then its tests are skipped, with that printed. */
export const native: NativeLibrary | undefined = found.found ? found : undefined;

/** Runs an op forward and backward on a CPU queue. */
export function runNative(
  queue: Queue,
  op: FusedOp,
  sample: Sample,
): { y: Float32Array; gradients: Float32Array[] } {
  const { rows, cols } = sample;
  const inputs = op.inputs.map((name) => tensorOf(name, sample));
  const scalars = op.scalars.map(() => sample.epsilon);
  const dy: NativeTensor = { data: sample.dy, shape: [rows, cols] };
  const [y] = queue.call(forwardPass(op).native, { inputs, scalars });
  const backward = backwardPass(op);
  const gradients = queue.call(backward.native, {
    inputs: [...inputs, dy],
    scalars,
    outputs: backward.outputs.length,
  });
  return { y: floats(y!), gradients: gradients.map(floats) };
}

/** The floats of a tensor on the CPU. */
export function floats({ data }: NativeTensor): Float32Array {
  return data as Float32Array;
}

/** An input of a sample: x is [rows, cols], weight [order], bias a scalar. */
export function tensorOf(name: string, { rows, cols, tensors }: Sample): NativeTensor {
  const data = tensors[name]!;
  return { data, shape: name === 'weight' ? [data.length] : name === 'bias' ? [] : [rows, cols] };
}
