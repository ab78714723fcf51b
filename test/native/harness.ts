import { join } from 'node:path';
import { allocate, allocateAligned } from '../../src/native/arguments.js';
import { buildNative } from '../../src/native/build.js';
import { findNative, type NativeLibrary, openLibrary } from '../../src/native/library.js';
import type { Queue } from '../../src/native/queue.js';
import type { NativeTensor } from '../../src/native/types.js';
import { backwardPass, type FusedOp, forwardPass } from '../../src/op/types.js';
import { packageFolder } from '../../src/package.js';
import type { Sample } from '../oracle.js';

const found = findNative();
if (!found.found) console.warn(`skipped: the tests of the native library: ${found.reason}`);

/** The library, or undefined where it has not been built: then its tests are skipped, with that printed. */
export const native: NativeLibrary | undefined = found.found ? found : undefined;

/**
 * The library with the CUDA kernels compiled for the emulator beside this file, whose device memory is host memory;
 * or undefined, with the reason printed, where it does not compile.
 */
export async function emulatedCuda(): Promise<NativeLibrary | undefined> {
  try {
    const folder = join(packageFolder, 'build', 'emulated');
    return openLibrary((await buildNative({ cuda: 'emulated', folder })).library);
  } catch (error) {
    console.warn(`skipped: the tests of the CUDA kernels on the emulator: ${error}`);
    return undefined;
  }
}

/** More than the workspace of any call in the tests. */
const WORKSPACE_BYTES = 1 << 20;

/** Runs an op forward and backward, on the CPU or the emulator. */
export function runNative(
  queue: Queue,
  op: FusedOp,
  sample: Sample,
): { y: Float32Array; gradients: Float32Array[] } {
  const { rows, cols } = sample;
  const inputs = op.inputs.map((name) => tensorOf(name, sample));
  const scalars = op.scalars.map(() => sample.epsilon);
  const dy: NativeTensor = { data: sample.dy, shape: [rows, cols] };
  const workspace = allocateAligned(WORKSPACE_BYTES).fill(0xff);
  const like = ({ shape }: NativeTensor): NativeTensor => {
    const output = allocate('f32', shape);
    floats(output).fill(Number.NaN);
    return output;
  };
  const [y] = queue.call(forwardPass(op).native, { inputs, scalars, outputs: [like(inputs[0]!)] });
  const gradients = queue.call(backwardPass(op).native, {
    inputs: [...inputs, dy],
    scalars,
    outputs: inputs.map(like),
    workspace,
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
