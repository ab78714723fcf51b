import { afterAll, describe, expect, test } from 'vitest';
import { activationRows, activations } from '../../src/activations/table.js';
import { PolycomError } from '../../src/common/errors.js';
import { decodeHalves } from '../../src/native/dtype.js';
import { allocatePinned } from '../../src/native/memory.js';
import { DeviceTensor } from '../../src/native/tensor.js';
import type { Dtype } from '../../src/native/types.js';
import { sameBits } from '../../src/op/compare.js';
import { sampleOf } from '../../src/op/sample.js';
import { passesOf, scalarsOf } from '../../src/op/types.js';
import { hosts } from './device-harness.js';
import { nativeTensor, runNative } from './harness.js';

const DTYPES: readonly Dtype[] = ['f32', 'f16', 'bf16'];
const SUBNORMAL = 1e-45;
const ODD = [0, -0, 1, -2.5, SUBNORMAL, -1e-40, 3.4e38, 65504, 65520, 6e-8, NaN, Infinity, -Infinity];

function errorOf(run: () => unknown): PolycomError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(PolycomError);
    return error as PolycomError;
  }
  throw new Error('nothing was thrown');
}

describe.each(hosts)('a tensor on $device', ({ device, library }) => {
  if (library === undefined) return test.skip('needs the library', () => undefined);
  const queue = library.createQueue({ device });
  const inUse = (): number => library.memoryInUse(device);
  afterAll(() => queue.dispose());

  test.each(DTYPES)('keeps what %s can hold', async (dtype) => {
    const before = inUse();
    using tensor = DeviceTensor.fromArray(queue, Float32Array.from(ODD), [ODD.length], dtype);
    expect(tensor.dtype).toBe(dtype);
    expect(inUse() - before).toBe(ODD.length * (dtype === 'f32' ? 4 : 2));
    const held = await tensor.toArray();
    expect(sameBits(tensor.toArraySync(), held)).toBe(true);
    if (dtype === 'f32') expect(sameBits(held, Float32Array.from(ODD))).toBe(true);
    for (const i of [0, 1, 2, 3, 10, 11, 12]) expect(Object.is(held[i], ODD[i]), `${ODD[i]}`).toBe(true);
  });

  test.each(['f16', 'bf16'] as const)('takes every bit pattern of %s', async (dtype) => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    using tensor = DeviceTensor.fromArray(queue, bits, [256, 256], dtype);
    expect(sameBits(await tensor.toArray(), decodeHalves(bits, dtype))).toBe(true);
  });

  test('keeps whole numbers, which ops take as ids', async () => {
    const ids = [2, 0, -(2 ** 31), 2 ** 31 - 1];
    using tensor = DeviceTensor.fromArray(queue, ids, [4], 'i32');
    expect(tensor.toArraySync()).toEqual(Int32Array.from(ids));
    expect(await tensor.toArray()).toEqual(Int32Array.from(ids));
    using rows = DeviceTensor.fromArray(queue, Int32Array.of(1, 0, 1), [3], 'i32');
    using table = DeviceTensor.fromArray(queue, [1, 2, 3, 4], [2, 2]);
    const [y] = queue.call('embedding_forward', { inputs: [table, rows] });
    expect(y!.toArraySync()).toEqual(Float32Array.of(3, 4, 1, 2, 3, 4));
    y!.dispose();
    for (const wrong of [1.5, NaN, 2 ** 31]) {
      const error = errorOf(() => DeviceTensor.fromArray(queue, [0, wrong], [2], 'i32'));
      expect(error.message).toContain(`value 1 is ${wrong}; expected a whole number`);
      expect(error.remedy).toMatch(/2147483647/);
    }
  });

  test('rounds numbers to its dtype, ties to even', () => {
    const values = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 3 * 2 ** -25];
    using f16 = DeviceTensor.fromArray(queue, values, [6], 'f16');
    expect([...f16.toArraySync()]).toEqual([1, 1 + 2 ** -9, 65504, Infinity, 0, 2 ** -23]);
    using bf16 = DeviceTensor.fromArray(queue, [1 + 2 ** -8, 1 + 3 * 2 ** -8], [2], 'bf16');
    expect([...bf16.toArraySync()]).toEqual([1, 1 + 2 ** -6]);
  });

  test.each([[[]], [[0]], [[4, 0, 3]], [[2, 3]], [[1, 1, 1, 2, 1, 1, 3, 1]]])(
    'takes shape %j',
    async (shape) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const values = Float32Array.from({ length: size }, (_, i) => i + 1);
      using tensor = DeviceTensor.fromArray(queue, values, shape);
      expect(tensor.shape).toEqual(shape);
      expect(tensor.size).toBe(size);
      expect(await tensor.toArray()).toEqual(values);
    },
  );

  test('takes part of a buffer, and its own copy of it', () => {
    const values = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    using tensor = DeviceTensor.fromArray(queue, values, [2]);
    values.fill(7);
    expect(tensor.toArraySync()).toEqual(Float32Array.of(1, 2));
  });

  test.each(activationRows.map((op) => ({ name: op.name, op })))(
    'gives $name the same results as arrays do',
    ({ op }) => {
      const before = inUse();
      const sample = sampleOf(op, 9, 700, { seed: 3 });
      const expected = runNative(queue, op, sample);
      const inputs = op.inputs.map((name) => {
        const { data, shape } = nativeTensor(op, sample, name);
        return DeviceTensor.fromArray(queue, data as Float32Array, shape);
      });
      const dy = DeviceTensor.fromArray(queue, sample.upstream[0], [sample.rows, sample.cols]);
      const scalars = Object.values(scalarsOf(op, sample.scalars));
      const [forward, backward] = passesOf(op);
      const y = queue.call(forward.native, { inputs, scalars });
      const outputs = inputs.length;
      const gradients = queue.call(backward.native, { inputs: [...inputs, dy], outputs, scalars });
      expect(sameBits(y[0]!.toArraySync(), expected.outputs[0]!)).toBe(true);
      for (const [i, gradient] of gradients.entries()) {
        expect(gradient).toBeInstanceOf(DeviceTensor);
        expect(sameBits(gradient.toArraySync(), expected.gradients[i]!)).toBe(true);
      }
      for (const tensor of [...inputs, dy, ...y, ...gradients]) tensor.dispose();
      expect(inUse(), 'the workspace has been freed').toBe(before);
    },
  );

  test('is freed by hand, twice, and by its scope', () => {
    const before = inUse();
    const tensor = DeviceTensor.alloc(queue, [1000], 'bf16');
    {
      using scoped = DeviceTensor.alloc(queue, [1000]);
      expect(inUse() - before).toBe(6000);
      expect(scoped.disposed).toBe(false);
    }
    expect(inUse() - before).toBe(2000);
    tensor.dispose();
    tensor.dispose();
    expect(tensor.disposed).toBe(true);
    expect(inUse()).toBe(before);
  });

  test('says so when it is used after that', async () => {
    const tensor = DeviceTensor.alloc(queue, [3]);
    const { run, outputs } = queue.prepare('relu2_forward', { inputs: [tensor], scalars: [0] });
    tensor.dispose();
    outputs[0]!.dispose();
    expect(errorOf(run).message).toMatch(/lost its memory/);
    for (const use of [
      () => tensor.data,
      () => tensor.toArraySync(),
      () => queue.call('relu2_forward', { inputs: [tensor], scalars: [0] }),
    ]) {
      expect(errorOf(use)).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(errorOf(use).message).toMatch(/disposed/);
    }
    await expect(tensor.toArray()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('outlives its queue, and is freed after it', async () => {
    const before = inUse();
    const other = library.createQueue({ device });
    const tensor = DeviceTensor.fromArray(other, [1, 2], [2]);
    await tensor.toArray();
    other.dispose();
    expect(inUse() - before).toBe(8);
    expect(errorOf(() => tensor.toArraySync()).message).toMatch(/queue has been disposed/);
    await expect(tensor.toArray()).rejects.toThrow(/queue has been disposed/);
    expect(errorOf(() => DeviceTensor.alloc(other, [1])).message).toMatch(/queue has been disposed/);
    tensor.dispose();
    expect(inUse()).toBe(before);
  });

  test('says how much is in use when there is no room', () => {
    using tensor = DeviceTensor.alloc(queue, [25]);
    const error = errorOf(() => DeviceTensor.alloc(queue, [2 ** 25, 2 ** 25]));
    expect(error.code).toBe('OUT_OF_MEMORY');
    expect(error.message).toMatch(new RegExp(`no room for ${2 ** 52} bytes; ${inUse()} bytes of`));
    expect(error.remedy).toMatch(/dispose/);
    expect(tensor.toArraySync()).toHaveLength(25);
  });

  test('is freed when filling it fails', () => {
    const before = inUse();
    const values = new Float32Array(8);
    structuredClone(values.buffer, { transfer: [values.buffer] });
    expect(errorOf(() => DeviceTensor.fromArray(queue, values, [8])).message).toMatch(/0 values.*expected 8/);
    expect(inUse()).toBe(before);
  });

  test.each<[string, () => unknown, RegExp]>([
    ['a size that is no number', () => DeviceTensor.alloc(queue, ['3' as never]), /whole number/],
    ['half a size', () => DeviceTensor.alloc(queue, [2.5]), /whole number/],
    ['a negative size', () => DeviceTensor.alloc(queue, [-1]), /whole number/],
    ['a shape that is no array', () => DeviceTensor.alloc(queue, 3 as never), /expected an array of sizes/],
    ['too high a rank', () => DeviceTensor.alloc(queue, new Array(9).fill(1)), /rank 9/],
    ['sizes beyond 2^53', () => DeviceTensor.alloc(queue, [2 ** 40, 2 ** 40]), /bytes and has/],
    ['another dtype', () => DeviceTensor.alloc(queue, [1], 'f8' as never), /'f8'/],
    ['too few values', () => DeviceTensor.fromArray(queue, [1], [2]), /1 values; expected 2/],
    ['no values', () => DeviceTensor.fromArray(queue, null as never, [2]), /values are null/],
    ['big integers', () => DeviceTensor.fromArray(queue, new BigInt64Array(1) as never, [1]), /no numbers/],
    ['bits for f32', () => DeviceTensor.fromArray(queue, new Uint16Array(1), [1]), /Uint16Array/],
    ['half a byte', () => allocatePinned(queue, 0.5), /whole number/],
  ])('rejects %s', (_, run, message) => {
    const before = inUse();
    const error = errorOf(run);
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toMatch(message);
    expect(inUse()).toBe(before);
  });

  test('takes pinned memory for its ops, which counts as the host’s', () => {
    const before = inUse();
    const data = new Float32Array(allocatePinned(queue, 12)).fill(3);
    const y = new Float32Array(allocatePinned(queue, 12));
    queue.call('relu2_forward', {
      inputs: [{ data, shape: [3] }],
      outputs: [{ data: y, shape: [3] }],
      scalars: [0],
    });
    queue.synchronize();
    expect(y).toEqual(Float32Array.of(9, 9, 9));
    expect(inUse()).toBe(before);
    expect(allocatePinned(queue, 0).byteLength).toBe(0);
    expect(errorOf(() => allocatePinned(queue, 2 ** 52)).code).toBe('OUT_OF_MEMORY');
  });

  test('waits for hundreds of promises at a time', async () => {
    const tensors = Array.from({ length: 300 }, (_, i) => DeviceTensor.fromArray(queue, [i], [1]));
    const read = tensors.map(async (tensor, i) => {
      await queue.done();
      expect(await tensor.toArray()).toEqual(Float32Array.of(i));
      tensor.dispose();
    });
    await Promise.all(read);
  });

  test('rejects a wait on a queue that is gone', async () => {
    const other = library.createQueue({ device });
    const waiting = other.done();
    other.dispose();
    await waiting;
    await expect(other.done()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

const cuda = hosts.find(({ device }) => device === 'cuda')?.library;
describe.skipIf(cuda === undefined)('on CUDA', () => {
  /** The emulator reads its environment as it goes. */
  async function emulating<T>(variable: string, run: () => T | Promise<T>): Promise<T> {
    process.env[variable] = '1';
    try {
      return await run();
    } finally {
      delete process.env[variable];
    }
  }

  test.each([
    'EMULATED_OWN_MEMORY',
    'EMULATED_FAULTS', // as an open driver's: reached, but page by page over PCIe
  ])('with %s an op takes no array that the device cannot reach, but pinned ones', async (variable) => {
    const queue = await emulating(variable, () => cuda!.createQueue({ device: 'cuda' }));
    const x = { data: Float32Array.of(3), shape: [1] };
    const pinned = { data: new Float32Array(allocatePinned(queue, 4)), shape: [1] };
    const given = errorOf(() => queue.call('relu2_forward', { inputs: [x], scalars: [0] }));
    expect(given.message).toMatch(/input 0 is a typed array, which cuda 0 cannot reach/);
    expect(given.remedy).toMatch(/DeviceTensor/);
    const into = errorOf(() => queue.call('relu2_forward', { inputs: [pinned], outputs: [x], scalars: [0] }));
    expect(into.message).toMatch(/output 0 is a typed array/);
    pinned.data.fill(2);
    const [y] = queue.call('relu2_forward', { inputs: [pinned], scalars: [0] });
    expect(y).toBeInstanceOf(DeviceTensor);
    expect(await (y as DeviceTensor).toArray()).toEqual(Float32Array.of(4));
    queue.dispose();
  });

  test('a reduction that is captured leaves the queue its ticket, and takes one in its workspace', async () => {
    const queue = cuda!.createQueue({ device: 'cuda' });
    const sample = sampleOf(activations.polynorm, 300, 64, { seed: 3 });
    const [, backward] = passesOf(activations.polynorm);
    const inputs = ['x', 'weight', 'bias', 'x'].map((name) => {
      const { shape, values } = sample.tensors[name]!;
      return { data: values, shape };
    });
    const scalars = Object.values(scalarsOf(activations.polynorm, {}));
    const run = (workspace: Uint8Array): Float32Array[] => {
      const call = { inputs, outputs: 3, scalars, workspace };
      return queue.call(backward.native, call).map((y) => (y as DeviceTensor).toArraySync());
    };
    const [plain, captured] = [new Uint8Array(1 << 16).fill(0xc5), new Uint8Array(1 << 16).fill(0xc5)];
    const wanted = run(plain);
    const got = await emulating('EMULATED_CAPTURING', () => run(captured));
    for (const [i, values] of wanted.entries()) expect(sameBits(got[i]!, values)).toBe(true);
    const differing = [...captured.keys()].filter((i) => captured[i] !== plain[i]);
    // One word behind the partial sums, which is 0 again.
    expect(differing).toHaveLength(4);
    expect(differing.map((i) => captured[i])).toEqual([0, 0, 0, 0]);
    expect(plain[differing[0]!]).toBe(0xc5);
    const last = run(new Uint8Array(1 << 16));
    for (const [i, values] of wanted.entries()) expect(sameBits(last[i]!, values)).toBe(true);
    queue.dispose();
  });

  test('work that failed rejects the promise', async () => {
    const queue = cuda!.createQueue({ device: 'cuda' });
    const tensor = DeviceTensor.alloc(queue, [1]);
    const failure = { name: 'PolycomError', code: 'DEVICE_ERROR' };
    await emulating('EMULATED_FAILURE', async () => {
      await expect(queue.done()).rejects.toMatchObject(failure);
      await expect(tensor.toArray()).rejects.toMatchObject(failure);
    });
    await queue.done();
    tensor.dispose();
    queue.dispose();
  });
});

test('an op takes no tensor of another device', (context) => {
  const [cpu, cuda] = hosts.map(({ device, library }) => library?.createQueue({ device }));
  if (cpu === undefined || cuda === undefined) return context.skip('needs both libraries');
  using x = DeviceTensor.alloc(cpu, [4]);
  using y = DeviceTensor.alloc(cuda, [4]);
  const from = errorOf(() => cuda.call('relu2_forward', { inputs: [x], scalars: [0] }));
  expect(from.message).toMatch(/input 0 is on cpu 0; expected memory on cuda 0/);
  const into = errorOf(() => cpu.call('relu2_forward', { inputs: [x], outputs: [y], scalars: [0] }));
  expect(into.message).toMatch(/output 0 is on cuda 0; expected memory on cpu 0/);
  for (const queue of [cpu, cuda]) queue.dispose();
});
