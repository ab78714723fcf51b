import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PolycomError } from '../../src/common/errors.js';
import type { CallArguments, Queue } from '../../src/native/queue.js';
import type { NativeTensor } from '../../src/native/types.js';
import { native } from './harness.js';

const tensor = (
  shape: number[],
  length: number = shape.reduce((product, n) => product * n, 1),
): NativeTensor => ({
  data: new Float32Array(length),
  shape,
});
const weight = { data: Float32Array.of(1, 2, 3), shape: [3] };
const bias = { data: Float32Array.of(0), shape: [] };

function errorOf(run: () => unknown): PolycomError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(PolycomError);
    return error as PolycomError;
  }
  throw new Error('nothing was thrown');
}

describe.skipIf(native === undefined)('a queue', () => {
  // Not in this function's body, which runs for a skipped suite too.
  let queue: Queue;
  beforeAll(() => {
    queue = native!.createQueue();
  });
  afterAll(() => queue.dispose());

  const forward = (call: Partial<CallArguments>) => () =>
    queue.call('polynorm_forward', { inputs: [tensor([2, 3]), weight, bias], scalars: [1e-6, 0], ...call });

  test('runs a prepared call on what its inputs hold by then', () => {
    const x = tensor([4]);
    const { outputs, run } = queue.prepare('relu2_forward', { inputs: [x], scalars: [0] });
    run();
    expect(outputs[0]!.data).toEqual(new Float32Array(4));
    (x.data as Float32Array).set([1, -2, 3, 0.5]);
    run();
    expect(outputs[0]!.data).toEqual(Float32Array.of(1, 0, 9, 0.25));
  });

  test('keeps the memory of a prepared call, whatever the caller lets go', () => {
    const prepare = () =>
      queue.prepare('relu2_forward', {
        inputs: [{ data: new Float32Array(8).fill(3), shape: [8] }],
        scalars: [0],
      });
    const calls = Array.from({ length: 100 }, prepare);
    for (let i = 0; i < 200; ++i) new Float32Array(100_000).fill(i);
    for (const { outputs, run } of calls) {
      run();
      expect(outputs[0]!.data).toEqual(new Float32Array(8).fill(9));
    }
  });

  test('takes every rank from 0 to 8', () => {
    for (let rank = 0; rank <= 8; ++rank) {
      const x = { data: Float32Array.of(3), shape: new Array<number>(rank).fill(1) };
      const [y] = queue.call('relu2_forward', { inputs: [x], scalars: [0] });
      expect(y).toEqual({ data: Float32Array.of(9), dtype: 'f32', shape: x.shape });
    }
  });

  // Each names what was wrong; most would corrupt memory if they got through.
  test.each<[string, () => unknown, RegExp]>([
    [
      'an input short of its shape',
      forward({ inputs: [tensor([2, 3], 5), weight, bias] }),
      /needs 24 bytes and has 20/,
    ],
    ['an output short of its shape', forward({ outputs: [tensor([2, 3], 5)] }), /output 0 needs 24 bytes/],
    [
      'an output of another shape',
      forward({ outputs: [tensor([3, 2])] }),
      /y has shape \[3, 2\].*expected.*\[2, 3\]/,
    ],
    [
      'strides beyond the memory',
      forward({ inputs: [{ ...tensor([2, 3]), strides: [4, 1] }, weight, bias] }),
      /needs 28/,
    ],
    [
      'a negative stride',
      forward({ inputs: [{ ...tensor([2, 3]), strides: [-3, 1] }, weight, bias] }),
      /whole number/,
    ],
    [
      'a fractional size',
      forward({ inputs: [{ ...tensor([6]), shape: [2.5] }, weight, bias] }),
      /whole number/,
    ],
    [
      'a size beyond 2^53',
      forward({ inputs: [{ ...tensor([6]), shape: [2 ** 60] }, weight, bias] }),
      /whole number/,
    ],
    ['too high a rank', forward({ inputs: [tensor(new Array(9).fill(1)), weight, bias] }), /rank 9/],
    [
      'strides of another rank',
      forward({ inputs: [{ ...tensor([6]), strides: [6, 1] }, weight, bias] }),
      /2 strides/,
    ],
    [
      'doubles',
      forward({ inputs: [{ data: new Float64Array(6), shape: [6] }, weight, bias] }),
      /Float64Array/,
    ],
    ['no memory', forward({ inputs: [{ shape: [6] } as never, weight, bias] }), /no memory/],
    [
      'a dtype that does not exist',
      forward({ inputs: [{ ...tensor([6]), dtype: 'f8' as never }, weight, bias] }),
      /'f8'/,
    ],
    ['a missing input', forward({ inputs: [tensor([2, 3]), weight] }), /2 inputs.*expected 3/],
    ['a missing scalar', forward({ scalars: [] }), /0 scalars.*2/],
    ['a scalar that is no number', forward({ scalars: ['1' as never, 0] }), /numbers/],
    ['a negative epsilon', forward({ scalars: [-1, 0] }), /epsilon is -1/],
    ['a norm that is neither', forward({ scalars: [1e-6, 2] }), /norm is 2; expected 0 \(RMS\) or 1/],
    ['an epsilon that is NaN', forward({ scalars: [Number.NaN, 0] }), /epsilon is nan/i],
    ['a scalar x', forward({ inputs: [tensor([]), weight, bias] }), /x is a scalar/],
    ['a bias of three', forward({ inputs: [tensor([2, 3]), weight, weight] }), /bias has shape \[3\]/],
    ['output counts that cannot be', forward({ outputs: -1 }), /-1 outputs/],
    [
      'an output that overlaps itself',
      forward({ outputs: [{ ...tensor([2, 3]), strides: [1, 1] }] }),
      /overlaps itself/,
    ],
    ['another index', () => native!.createQueue({ index: 1 }), /CPU 1 does not exist/],
    ['half a thread', () => native!.createQueue({ threads: 0.5 }), /whole numbers/],
    ['a device that does not exist', () => native!.createQueue({ device: 'tpu' as never }), /'tpu'/],
  ])('rejects %s', (_, run, message) => {
    const error = errorOf(run);
    expect(['INVALID_ARGUMENT', 'NO_DEVICE']).toContain(error.code);
    expect(error.message).toMatch(message);
  });

  test('says what it has no kernel for', () => {
    const error = errorOf(
      forward({ inputs: [tensor([2, 3]), { data: new Float32Array(5), shape: [5] }, bias] }),
    );
    expect(error).toMatchObject({
      code: 'UNSUPPORTED',
      op: 'polynorm_forward',
      shapes: { 'input 0': [2, 3] },
    });
    expect(error.message).toMatch(/5 coefficients; there are kernels for order 1 to 4/);
    expect(errorOf(() => queue.call('no_such_op', { inputs: [tensor([2, 3])] })).code).toBe('UNSUPPORTED');
  });

  test('rejects gradients of other shapes than their inputs', () => {
    const inputs = [tensor([2, 3]), weight, bias, tensor([2, 3])];
    const run = (dx: NativeTensor, dweight: NativeTensor) =>
      errorOf(() =>
        queue.call('polynorm_backward', { inputs, outputs: [dx, dweight, tensor([])], scalars: [1e-6, 0] }),
      ).message;
    expect(run(tensor([2, 3]), tensor([2]))).toMatch(
      /dweight has shape \[2\].*expected those of weight, \[3\]/,
    );
    expect(run(tensor([3, 2]), tensor([3]))).toMatch(/dx has shape \[3, 2\].*expected those of x, \[2, 3\]/);
    const gate = () => ({ inputs: [tensor([2, 3]), tensor([2, 4])] });
    expect(errorOf(() => queue.call('reglu_forward', gate())).message).toMatch(/up has shape \[2, 4\]/);
  });

  test('rejects too small a workspace', () => {
    const inputs = [tensor([2, 3]), weight, bias, tensor([2, 3])];
    const call = { inputs, outputs: 3, scalars: [1e-6, 0], workspace: new Uint8Array(1) };
    expect(errorOf(() => queue.call('polynorm_backward', call)).message).toMatch(/workspace has 1 bytes/);
  });

  test('notices a buffer that was transferred since', () => {
    const x = tensor([1000]);
    const { run } = queue.prepare('relu2_forward', { inputs: [x], scalars: [0] });
    structuredClone(x.data, { transfer: [(x.data as Float32Array).buffer] });
    expect(errorOf(run).message).toMatch(/lost its memory/);
  });

  test('may be disposed twice, and then says so', () => {
    const other = native!.createQueue();
    const { run } = other.prepare('relu2_forward', { inputs: [tensor([2])], scalars: [0] });
    other.synchronize();
    other.dispose();
    other.dispose();
    expect(errorOf(run).message).toMatch(/disposed/);
    expect(errorOf(() => other.synchronize()).message).toMatch(/disposed/);
  });

  test('says that there is no GPU', (context) => {
    if (native!.deviceCount('cuda') > 0) context.skip('there is a GPU');
    const error = errorOf(() => native!.createQueue({ device: 'cuda' }));
    expect(error.code).toBe('NO_DEVICE');
    expect(error.remedy).toMatch(/cpu/);
  });
});
