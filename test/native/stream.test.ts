import { describe, expect, test } from 'vitest';
import { ITEM_BYTES } from '../../src/native/dtype.js';
import { DeviceTensor } from '../../src/native/tensor.js';
import type { Dtype } from '../../src/native/types.js';
import { hosts } from './device-harness.js';

/** The emulator is slow; the CPU's threads share what is longer than a piece. */
const LENGTHS = { cpu: [0, 1, 7, 64, 1000, 300_003], cuda: [0, 1, 7, 1000, 9001] };
const DTYPES: readonly Dtype[] = ['f32', 'f16', 'bf16'];
const COUNTS = [1, 2, 3].flatMap((inputs) => [1, 2].map((outputs) => ({ inputs, outputs })));

/** Bytes without a pattern. */
function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 2654435761 * (seed + 1)) >>> 24);
}

describe.each(hosts)('stream on $device', ({ device, library }) => {
  if (library === undefined) return test.skip('needs the library', () => undefined);
  const queue = library.createQueue({ device });

  /** Views of bytes that begin so many elements after their memory. */
  function run(inputs: readonly Uint8Array[], outputs: number, dtype: Dtype, offset: number, method: number) {
    const item = ITEM_BYTES[dtype];
    const length = inputs[0]!.length / item;
    const place = (bytes: Uint8Array) => {
      const halves = new Uint16Array((bytes.length + offset * item) / 2);
      new Uint8Array(halves.buffer).set(bytes, offset * item);
      const memory = DeviceTensor.fromArray(queue, halves, [halves.length], 'f16');
      const { address, byteLength } = memory.data;
      const data = { address: address + BigInt(offset * item), byteLength: byteLength - offset * item };
      return { memory, tensor: { data, shape: [length], dtype } };
    };
    const read = inputs.map(place);
    const written = Array.from({ length: outputs }, () =>
      place(new Uint8Array(inputs[0]!.length).fill(0xa5)),
    );
    queue.call('stream', {
      inputs: read.map(({ tensor }) => tensor),
      outputs: written.map(({ tensor }) => tensor),
      scalars: [method],
    });
    const got = written.map(({ memory, tensor }) => {
      const raw = queue.native.function<(...args: unknown[]) => number>('pc_memory_copy', 'int32_t', [
        'void *',
        'void *',
        'void *',
        'int64_t',
      ]);
      const into = new Uint8Array(inputs[0]!.length);
      queue.native.check(raw(queue.address, into, tensor.data.address, BigInt(into.length)));
      queue.synchronize();
      memory.dispose();
      return into;
    });
    for (const { memory } of read) memory.dispose();
    return got;
  }

  test.each(COUNTS)('writes the exclusive or of $inputs to $outputs', ({ inputs, outputs }) => {
    for (const dtype of DTYPES) {
      for (const length of LENGTHS[device]) {
        const given = Array.from({ length: inputs }, (_, i) => bytesOf(length * ITEM_BYTES[dtype], i));
        const wanted = given[0]!.map((byte, i) =>
          given.slice(1).reduce((bits, other) => bits ^ other[i]!, byte),
        );
        for (const method of [0, 1, 2]) {
          for (const offset of [0, 1]) {
            for (const got of run(given, outputs, dtype, offset, method))
              expect(Buffer.compare(got, wanted), `${dtype} ${length} ${method} ${offset}`).toBe(0);
          }
        }
      }
    }
  });

  test('plans outputs as its inputs', () => {
    const x = DeviceTensor.alloc(queue, [3, 5], 'bf16');
    const outputs = queue.call('stream', { inputs: [x, x], outputs: 2, scalars: [0] });
    expect(outputs.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
      new Array(2).fill({ shape: [3, 5], dtype: 'bf16' }),
    );
    for (const tensor of [x, ...outputs]) tensor.dispose();
  });

  test('says what is wrong with a call', () => {
    const tensor = (shape: number[], dtype: Dtype = 'f32') => DeviceTensor.alloc(queue, shape, dtype);
    const [x, half, other] = [tensor([4]), tensor([4], 'f16'), tensor([2, 2])];
    const strided = { data: x!.data, shape: [2], strides: [2] };
    const call =
      (inputs: (typeof x | typeof strided)[], outputs = 1, method = 0) =>
      () =>
        queue.call('stream', { inputs: inputs as DeviceTensor[], outputs, scalars: [method] });
    expect(call([])).toThrow(/got 0 inputs and 1 outputs; expected 1 to 3, and 1 to 2/);
    expect(call([x, x, x, x])).toThrow(/got 4 inputs/);
    expect(call([x], 3)).toThrow(/3 outputs/);
    expect(call([x, other])).toThrow(/x has shape \[2, 2\]/);
    expect(call([x, half as unknown as typeof x])).toThrow(/dtype/);
    expect(call([strided])).toThrow(/contiguous/);
    expect(call([x], 1, 3)).toThrow(/method is 3/);
    for (const made of [x, half, other]) made!.dispose();
  });
});
