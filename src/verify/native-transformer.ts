import { scalarsOf, upstreamFor } from '../fused/expected.js';
import { keptOf, type OpSample, passesOf, type TransformerOp } from '../fused/types.js';
import { sizeOf } from '../native/dtype.js';
import type { Queue } from '../native/queue.js';
import type { IntegerTensor, NativeTensor } from '../native/types.js';
import type { Memory } from './memory.js';
import type { TransformerOutputs } from './types.js';

/** A transformer's op by the C ABI: forward, and backward for the gradients of `upstreamFor`. */
export function runTransformerOn(
  queue: Queue,
  memory: Memory,
  op: TransformerOp,
  sample: OpSample,
): TransformerOutputs {
  const held: (NativeTensor | IntegerTensor)[] = [];
  const hold = <T extends NativeTensor | IntegerTensor>(tensor: T): T => {
    held.push(tensor);
    return tensor;
  };
  const place = (values: Float32Array, shape: readonly number[]): NativeTensor =>
    hold(memory.place(values, 'f32', shape));
  const scalars = Object.values(scalarsOf(op, sample));
  // Into NaN, so that an element which is not written is noticed.
  const run = (name: string, inputs: readonly (NativeTensor | IntegerTensor)[], count: number) => {
    const planned = queue.prepare(name, { inputs, scalars, outputs: count });
    planned.dispose();
    const outputs = planned.outputs.map(({ shape }) =>
      place(new Float32Array(sizeOf(shape)).fill(Number.NaN), shape),
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
        : place(values, shape);
    });
    const outputs = run(forward.native, inputs, op.outputs.length);
    const upstream = op.differentiable.map((_, i) => {
      const { shape } = outputs[i]!;
      return place(upstreamFor(i, sizeOf(shape)), shape);
    });
    const given = [...keptOf(op, inputs, outputs), ...upstream];
    const gradients = run(backward.native, given, op.gradients.length);
    queue.synchronize();
    return { outputs: outputs.map(memory.read), gradients: gradients.map(memory.read) };
  } finally {
    memory.free(held);
  }
}
