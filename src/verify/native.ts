import { activations } from '../activations/table.js';
import { PolycomError } from '../errors.js';
import { fusedOps } from '../fused/table.js';
import { sizeOf } from '../native/dtype.js';
import type { NativeLibrary } from '../native/library.js';
import type { Queue } from '../native/queue.js';
import type { Device, Dtype, NativeTensor } from '../native/types.js';
import { gradientDtype } from '../op/compare.js';
import { isMatrix, type Sample, shapeOf } from '../op/sample.js';
import { backwardPass, type FusedOp, forwardPass } from '../op/types.js';
import { deviceMemory, hostMemory, type Memory } from './memory.js';
import { runTransformerOn } from './native-transformer.js';
import type { Absent, Outputs, Runner } from './types.js';

/** The C ABI, driven directly on a device; or why that cannot be. */
export function nativeRunner(native: NativeLibrary, device: Device): Runner | Absent {
  try {
    // On the CPU with every thread and with one; on a GPU on two streams.
    const queues = [native.createQueue({ device }), native.createQueue({ device, threads: 1 })] as const;
    const memories = queues.map(device === 'cpu' ? hostMemory : deviceMemory);
    return {
      device,
      ops: activations,
      dtypes: ['f32', 'f16', 'bf16'],
      transformerOps: fusedOps,
      run: (op, sample) => runOn(queues[0], memories[0]!, op, sample),
      runAgain: (op, sample) => runOn(queues[1], memories[1]!, op, sample),
      runTransformer: (op, sample) => runTransformerOn(queues[0], memories[0]!, op, sample),
      dispose: () => {
        for (const queue of queues) queue.dispose();
      },
    };
  } catch (error) {
    if (!(error instanceof PolycomError)) throw error;
    return { reason: error.message.split('\n')[0]!, remedy: error.remedy ?? '' };
  }
}

function runOn(queue: Queue, memory: Memory, op: FusedOp, sample: Sample): Outputs {
  const tensors: NativeTensor[] = [];
  const place = (values: Float32Array, dtype: Dtype, shape: readonly number[]): NativeTensor => {
    const tensor = memory.place(values, dtype, shape);
    tensors.push(tensor);
    return tensor;
  };
  // Every element NaN, so that one which is not written is noticed.
  const unwritten = (dtype: Dtype, shape: readonly number[]): NativeTensor => {
    return place(new Float32Array(sizeOf(shape)).fill(Number.NaN), dtype, shape);
  };
  try {
    const scalars = op.scalars.map((name) => sample.scalars[name]!);
    const inputs = op.inputs.map((name) => {
      const dtype = isMatrix(name) ? sample.dtype : 'f32';
      return place(sample.tensors[name]!, dtype, shapeOf(name, sample));
    });
    const shape = [sample.rows, sample.cols];
    const dy = place(sample.dy, sample.dtype, shape);
    const y = unwritten(sample.dtype, shape);
    const gradients = op.inputs.map((name) => unwritten(gradientDtype(name, sample), shapeOf(name, sample)));
    queue.call(forwardPass(op).native, { inputs, scalars, outputs: [y] });
    queue.call(backwardPass(op).native, { inputs: [...inputs, dy], scalars, outputs: gradients });
    queue.synchronize();
    return { y: memory.read(y), gradients: gradients.map(memory.read) };
  } finally {
    memory.free(tensors);
  }
}
