import { decode, encode, type Stored } from '../native/dtype.js';
import type { NativeLibrary } from '../native/library.js';
import type { Queue } from '../native/queue.js';
import type { Dtype, NativeTensor } from '../native/types.js';
import { gradientDtype } from '../op/compare.js';
import { isMatrix, type Sample, shapeOf } from '../op/sample.js';
import { backwardPass, type FusedOp, forwardPass } from '../op/types.js';
import type { Outputs, Runner } from './types.js';

/** The C ABI on the CPU: with every thread, and again with one. */
export function cpuRunner(native: NativeLibrary): Runner {
  const queues = [native.createQueue(), native.createQueue({ threads: 1 })] as const;
  return {
    device: 'cpu',
    dtypes: ['f32', 'f16', 'bf16'],
    run: (op, sample) => runOn(queues[0], op, sample),
    runAgain: (op, sample) => runOn(queues[1], op, sample),
    dispose: () => {
      for (const queue of queues) queue.dispose();
    },
  };
}

function runOn(queue: Queue, op: FusedOp, sample: Sample): Outputs {
  const scalars = Object.values(sample.scalars);
  const inputs = op.inputs.map((name) => {
    const dtype = isMatrix(name) ? sample.dtype : 'f32';
    return stored(sample.tensors[name]!, dtype, shapeOf(name, sample));
  });
  const shape = [sample.rows, sample.cols];
  const dy = stored(sample.dy, sample.dtype, shape);
  const y = unwritten(sample.dtype, shape);
  const gradients = op.inputs.map((name) => unwritten(gradientDtype(name, sample), shapeOf(name, sample)));
  queue.call(forwardPass(op).native, { inputs, scalars, outputs: [y] });
  queue.call(backwardPass(op).native, { inputs: [...inputs, dy], scalars, outputs: gradients });
  return { y: floats(y), gradients: gradients.map(floats) };
}

interface StoredTensor extends NativeTensor {
  readonly data: Stored;
  readonly dtype: Dtype;
}

function stored(values: Float32Array, dtype: Dtype, shape: readonly number[]): StoredTensor {
  const data = dtype === 'f32' ? new Float32Array(values.length) : new Uint16Array(values.length);
  encode(values, dtype, data);
  return { data, dtype, shape };
}

/** An output whose every element is NaN, so that one which is not written is noticed. */
function unwritten(dtype: Dtype, shape: readonly number[]): StoredTensor {
  const size = shape.reduce((product, n) => product * n, 1);
  return stored(new Float32Array(size).fill(Number.NaN), dtype, shape);
}

function floats({ data, dtype }: StoredTensor): Float32Array {
  return decode(data, dtype);
}
