import { afterAll, describe, expect, test } from 'vitest';
import { type ActivationName, activations } from '../../src/activations/table.js';
import { allocateAligned } from '../../src/native/arguments.js';
import { decode, encoded, rounded, type Stored } from '../../src/native/dtype.js';
import type { Dtype, NativeTensor } from '../../src/native/types.js';
import { boundOf, errorOf, expected, upstreamOf } from '../../src/op/compare.js';
import { sampleOf } from '../../src/op/sample.js';
import { keptOf, passesOf, type Sample, scalarsOf } from '../../src/op/types.js';
import { element, emulatedCuda, nativeTensor, runNative } from './harness.js';

const cuda = await emulatedCuda();
const queue = cuda?.createQueue({ device: 'cuda' });
afterAll(() => queue?.dispose());

const DTYPES: readonly Dtype[] = ['f32', 'f16', 'bf16'];
/** Elements that a block takes at a time, forward, of a formula with one input. */
const tile = (dtype: Dtype): number => 256 * 4 * (dtype === 'f32' ? 4 : 8);

/** A tensor's values again, `shift` elements behind a multiple of 64 bytes. */
function shifted({ data, dtype = 'f32', shape }: NativeTensor, shift: number): NativeTensor {
  const stored = data as Stored;
  const size = stored.BYTES_PER_ELEMENT;
  const memory = allocateAligned(stored.byteLength + shift * size);
  const Storage = stored.constructor as new (buffer: ArrayBufferLike, from: number, length: number) => Stored;
  const placed = new Storage(memory.buffer, memory.byteOffset + shift * size, stored.length);
  placed.set(stored as never);
  return { data: placed, dtype, shape };
}

/** Both passes with matrices that lie behind such a multiple, and outputs behind another. */
function run(name: ActivationName, sample: Sample, shift: number, outShift: number): Float32Array[] {
  const op = activations[name];
  const [forward, backward] = passesOf(op);
  const scalars = Object.values(scalarsOf(op, sample.scalars));
  const inputs = op.inputs.map((input) => {
    const tensor = nativeTensor(op, sample, input) as NativeTensor;
    return op.parameters[input] === undefined ? shifted(tensor, shift) : tensor;
  });
  const { dtype = 'f32' } = sample;
  const matrix = inputs[0]!;
  const blank = ({ data, dtype: of = 'f32', shape }: NativeTensor, by: number) =>
    shifted(
      {
        data: new (data.constructor as new (length: number) => Stored)((data as Stored).length),
        dtype: of,
        shape,
      },
      by,
    );
  const y = blank(matrix, outShift);
  const workspace = allocateAligned(1 << 22).fill(0xff);
  queue!.call(forward.native, { inputs, scalars, outputs: [y], workspace });
  const upstream = encoded(upstreamOf(op, sample, 0, (y.data as Stored).length), dtype);
  const dy = shifted({ data: upstream, dtype, shape: matrix.shape }, shift);
  const gradients = op.gradients.map((input) => {
    const tensor = inputs[op.inputs.indexOf(input)]!;
    return op.parameters[input] === undefined ? blank(tensor, outShift) : blank(tensor, 0);
  });
  const given = [...keptOf<NativeTensor>(op, inputs, [y]), dy];
  queue!.call(backward.native, { inputs: given, scalars, outputs: gradients, workspace });
  return [y, ...gradients].map((tensor) => decode(tensor.data as Stored, tensor.dtype ?? 'f32'));
}

describe.skipIf(cuda === undefined)('element-wise kernels in CUDA', () => {
  // Whole tiles, what is left of one, the elements behind; a block of a sum has more than one tile in the last.
  test.for(
    (['polyrelu', 'xielu', 'silu', 'gelu', 'swiglu', 'polyreluglu', 'situglu'] as const).flatMap((name) =>
      DTYPES.map((dtype) => [name, dtype] as const),
    ),
  )('%s, %s: the same bits wherever a matrix lies', ([name, dtype]) => {
    const op = activations[name];
    for (const size of [5, tile(dtype) - 1, tile(dtype), 2 * tile(dtype) + 259]) {
      const sample = sampleOf(op, 1, size, { dtype, seed: size });
      const whole = run(name, sample, 0, 0);
      for (const [shift, outShift] of [
        [1, 1],
        [0, 1],
      ] as const) {
        const other = run(name, sample, shift, outShift);
        for (const [i, values] of whole.entries()) {
          const input = op.gradients[i - 1];
          if (input === undefined || op.parameters[input] === undefined) {
            expect(other[i], `output ${i} of ${size}`).toEqual(values);
            continue;
          }
          // Sums are added in another order.
          const { terms } = expected(op, sample).gradients[i - 1]!;
          for (const [k, value] of values.entries())
            expect(Math.abs(other[i]![k]! - value)).toBeLessThanOrEqual(1e-6 * terms[k]!);
        }
      }
    }
  });

  // Their formulas are shorter in 16 bits: a norm over many elements would not show where one is off.
  test.for(
    (['silu', 'gelu', 'swiglu', 'geglu'] as const).flatMap((name) =>
      (['f16', 'bf16'] as const).map((dtype) => [name, dtype] as const),
    ),
  )('%s, %s: each element is as near as its storage lets it be', ([name, dtype]) => {
    const op = activations[name];
    const variants = name === 'gelu' || name === 'geglu' ? [{ approximate: 0 }, { approximate: 1 }] : [{}];
    for (const scalars of variants) {
      const sample = sampleOf(op, 1, 4001, { seed: 51, dtype, scalars });
      const x = sample.tensors[op.inputs[0]!]!.values;
      for (const i of x.keys()) x[i] = rounded((i - 2000) / 200, dtype); // further out, gelu by tanh is below floats
      const got = runNative(queue!, op, sample);
      const { outputs, gradients } = expected(op, sample);
      for (const [values, sums, what] of [
        [got.outputs[0]!, outputs[0]!, 'y'],
        [got.gradients[0]!, gradients[0]!, 'dx'],
      ] as const) {
        for (const [i, xi] of x.entries()) {
          const one = element(sums, i);
          expect(errorOf([values[i]!], one), `${what} at ${xi}`).toBeLessThanOrEqual(boundOf(one, dtype));
        }
      }
    }
  });
});
