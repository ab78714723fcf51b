import { PolycomError } from '../common/errors.js';
import { sizeOf } from '../native/dtype.js';
import type { NativeLibrary } from '../native/library.js';
import type { Queue } from '../native/queue.js';
import type { Device, Dtype, IntegerTensor, NativeTensor } from '../native/types.js';
import { upstreamOf } from '../op/compare.js';
import { dtypeOf, keptOf, type Op, passesOf, type Sample, scalarsOf } from '../op/types.js';
import { opRows } from '../ops.js';
import { deviceMemory, hostMemory, type TensorMemory } from './memory.js';
import type { Absent, Outputs, Runner } from './types.js';

/** The C ABI, driven directly on a device; or why that cannot be. */
export function nativeRunner(native: NativeLibrary, device: Device): Runner | Absent {
  try {
    // On the CPU with every thread and with one; on a GPU on two streams.
    const queues = [native.createQueue({ device }), native.createQueue({ device, threads: 1 })] as const;
    const memories = queues.map(device === 'cpu' ? hostMemory : deviceMemory);
    return {
      device,
      ops: opRows,
      dtypes: ['f32', 'f16', 'bf16'],
      run: (op, sample) => runOn(queues[0], memories[0]!, op, sample),
      runAgain: (op, sample) => runOn(queues[1], memories[1]!, op, sample),
      dispose: () => {
        for (const queue of queues) queue.dispose();
      },
    };
  } catch (error) {
    if (!(error instanceof PolycomError)) throw error;
    return { reason: error.message.split('\n')[0]!, remedy: error.remedy ?? '' };
  }
}

function runOn(queue: Queue, memory: TensorMemory, op: Op, sample: Sample): Outputs {
  const held: (NativeTensor | IntegerTensor)[] = [];
  const hold = <T extends NativeTensor | IntegerTensor>(tensor: T): T => {
    held.push(tensor);
    return tensor;
  };
  const place = (values: Float32Array, dtype: Dtype, shape: readonly number[]): NativeTensor =>
    hold(memory.place(values, dtype, shape));
  const scalars = Object.values(scalarsOf(op, sample.scalars));
  // Into NaN, so that an element which is not written is noticed.
  const run = (name: string, inputs: readonly (NativeTensor | IntegerTensor)[], count: number) => {
    const planned = queue.prepare(name, { inputs, scalars, outputs: count });
    planned.dispose();
    const outputs = planned.outputs.map(({ dtype = 'f32', shape }) =>
      place(new Float32Array(sizeOf(shape)).fill(Number.NaN), dtype, shape),
    );
    memory.free(planned.outputs);
    queue.call(name, { inputs, scalars, outputs });
    return outputs;
  };
  try {
    const [forward, backward] = passesOf(op);
    const inputs = op.inputs.map((name) => {
      const { shape, values } = sample.tensors[name]!;
      return op.integers.includes(name)
        ? hold(memory.placeWhole(Int32Array.from(values), shape))
        : place(values, dtypeOf(op, name, sample), shape);
    });
    const outputs = run(forward.native, inputs, op.outputs.length);
    const upstream = op.differentiable.map((_, i) => {
      const { dtype = 'f32', shape } = outputs[i]!;
      return place(upstreamOf(op, sample, i, sizeOf(shape)), dtype, shape);
    });
    const given = [...keptOf(op, inputs, outputs), ...upstream];
    const gradients = run(backward.native, given, op.gradients.length);
    queue.synchronize();
    return { outputs: outputs.map(memory.read), gradients: gradients.map(memory.read) };
  } finally {
    memory.free(held);
  }
}
