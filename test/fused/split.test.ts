/** PolyNorm of rows whose columns are split over ranks: polynormmoments, polynormproducts, polynormapply. */
import { describe, expect, test } from 'vitest';
import { polynormRow } from '../../src/activations/polynorm.js';
import { decode, encoded, type Stored } from '../../src/native/dtype.js';
import type { Queue } from '../../src/native/queue.js';
import type { Dtype, NativeTensor } from '../../src/native/types.js';
import { BOUND, boundOf, errorOf, expected, gradientDtype, sameBits } from '../../src/op/compare.js';
import { normal, type Sample, sampleOf } from '../../src/op/sample.js';
import { queuePairs } from '../native/harness.js';
import { callNative } from './harness.js';

const hosts = await queuePairs([1, 3]);

interface Results {
  readonly y: Float32Array;
  readonly dx: Float32Array;
  readonly dweights: Float32Array[];
  readonly dbiases: Float32Array[];
}

/** The sample on `ranks` ranks, whose sums are added in float as an all-reduce would. */
function runSplit(queue: Queue, sample: Sample, ranks: number): Results {
  const { rows, cols, dtype, scalars, tensors } = sample;
  const order = tensors.weight!.length;
  const count = scalars.norm === 1 ? 1 : cols;
  // Not evenly: the first rank has one column less than its share, if it can.
  const borders = Array.from({ length: ranks + 1 }, (_, i) =>
    i === 0 || i === ranks ? (i / ranks) * cols : Math.max(0, Math.floor((i * cols) / ranks) - 1),
  );
  const part = (values: Float32Array, rank: number): NativeTensor => {
    const [from, to] = [borders[rank]!, borders[rank + 1]!];
    const picked = values.filter((_, i) => i % cols >= from && i % cols < to);
    return { data: encoded(picked, dtype), shape: [rows, to - from], dtype };
  };
  const each = <T>(f: (rank: number) => T): T[] => Array.from({ length: ranks }, (_, rank) => f(rank));
  const reduced = (sums: NativeTensor[]): NativeTensor => {
    const total = sums.map(({ data }) => data as Float32Array).reduce((a, b) => a.map((v, i) => v + b[i]!));
    return { data: total, shape: sums[0]!.shape };
  };
  const parts = each((rank) => ({ x: part(tensors.x!, rank), dy: part(sample.dy, rank) }));
  const moments = reduced(
    parts.map(({ x }) => callNative(queue, 'polynormmoments', [x], [count, order], 1)[0]!),
  );
  const products = reduced(
    parts.map(({ x, dy }) => callNative(queue, 'polynormproducts', [x, dy], [order], 1)[0]!),
  );
  const weight = { data: tensors.weight!, shape: [order] };
  const bias = { data: tensors.bias!, shape: [] };
  const epsilon = scalars.epsilon!;
  const applied = parts.map(({ x, dy }) => ({
    forward: callNative(queue, 'polynormapply_forward', [x, weight, bias, moments], [epsilon], 1),
    backward: callNative(
      queue,
      'polynormapply_backward',
      [x, weight, bias, moments, products, dy],
      [epsilon, count],
      3,
    ),
  }));
  const whole = (tensor: (rank: number) => NativeTensor): Float32Array => {
    const joined = new Float32Array(rows * cols);
    for (let rank = 0; rank < ranks; ++rank) {
      const { data, shape, dtype: of } = tensor(rank);
      const [values, width] = [decode(data as Stored, of!), shape[1]!];
      for (let r = 0; r < rows; ++r)
        joined.set(values.subarray(r * width, (r + 1) * width), r * cols + borders[rank]!);
    }
    return joined;
  };
  return {
    y: whole((rank) => applied[rank]!.forward[0]!),
    dx: whole((rank) => applied[rank]!.backward[0]!),
    dweights: applied.map(({ backward }) => backward[1]!.data as Float32Array),
    dbiases: applied.map(({ backward }) => backward[2]!.data as Float32Array),
  };
}

function expectWhole(got: Results, sample: Sample): void {
  const wanted = expected(polynormRow, sample);
  const [dx, dweight, dbias] = wanted.gradients;
  expect(errorOf(got.y, wanted.y), 'y').toBeLessThanOrEqual(boundOf(wanted.y, sample.dtype));
  expect(errorOf(got.dx, dx!), 'dx').toBeLessThanOrEqual(boundOf(dx!, gradientDtype('x', sample)));
  for (const [rank, values] of got.dweights.entries()) {
    expect(errorOf(values, dweight!), `dweight of rank ${rank}`).toBeLessThanOrEqual(BOUND);
    expect(errorOf(got.dbiases[rank]!, dbias!), `dbias of rank ${rank}`).toBeLessThanOrEqual(BOUND);
    expect(sameBits(values, got.dweights[0]!), 'the ranks agree').toBe(true);
    expect(sameBits(got.dbiases[rank]!, got.dbiases[0]!), 'the ranks agree').toBe(true);
  }
}

describe.each(hosts)('PolyNorm split over ranks on $host', ({ queues }) => {
  if (queues === undefined) return test.skip('needs the library', () => undefined);
  const queue = queues[0]!;

  test.each([1, 2, 3])('is that of the whole rows: %i ranks', (ranks) => {
    for (const cols of [1, 7, 123, 8191, 8256]) {
      for (const dtype of ['f32', 'f16', 'bf16'] satisfies Dtype[]) {
        const sample = sampleOf(polynormRow, 3, cols, { seed: cols, dtype });
        expectWhole(runSplit(queue, sample, ranks), sample);
      }
    }
  });

  test('has every order, the L2 norm, an epsilon that counts, many rows and none', () => {
    for (const order of [1, 2, 3, 4]) {
      for (const scalars of [{}, { norm: 1 }, { epsilon: 0.5 }, { epsilon: 0 }]) {
        const sample = sampleOf(polynormRow, 70, 33, { seed: order, order, scalars });
        expectWhole(runSplit(queue, sample, 2), sample);
      }
    }
    for (const rows of [0, 130]) {
      const sample = sampleOf(polynormRow, rows, 20);
      expectWhole(runSplit(queue, sample, 2), sample);
    }
  });

  test('is near the plain op, whichever number of ranks there is', () => {
    const sample = sampleOf(polynormRow, 4, 100, { seed: 3 });
    const shape = [4, 100];
    const scalars = [sample.scalars.epsilon!, 0];
    const weight = { data: sample.tensors.weight!, shape: [3] };
    const bias = { data: sample.tensors.bias!, shape: [] };
    const x = { data: sample.tensors.x!, shape };
    const [y] = callNative(queue, 'polynorm_forward', [x, weight, bias], scalars, 1);
    const split = runSplit(queue, sample, 1).y;
    for (const [i, value] of (y!.data as Float32Array).entries())
      expect(Math.abs(split[i]! - value)).toBeLessThan(1e-6 * (1 + Math.abs(value)));
  });

  test.each([1e-20, 1e-12, 1e-6, 1, 1e4, 2e6, 1e9, 1e18])(
    'sums what a float holds of values of %d',
    (scale) => {
      const [rows, cols, order] = [2, 8191, 4];
      for (const offset of [0, 1]) {
        const [x, dy] = [31, 32].map((seed) =>
          normal(rows * cols + offset, seed)
            .map((value) => (seed === 31 ? scale * value : value))
            .subarray(offset),
        ) as [Float32Array, Float32Array];
        const given = { data: x, shape: [rows, cols] };
        const sums = (name: string, inputs: NativeTensor[], scalars: number[]) =>
          callNative(queue, name, inputs, scalars, 1)[0]!.data as Float32Array;
        const moments = sums('polynormmoments', [given], [cols, order]);
        const products = sums('polynormproducts', [given, { data: dy, shape: [rows, cols] }], [order]);
        const check = (got: number, term: (i: number) => number, r: number): void => {
          let [value, terms] = [0, 0];
          for (let i = r * cols; i < (r + 1) * cols; ++i) {
            value += term(i);
            terms += Math.abs(term(i));
          }
          const wanted = Math.fround(value);
          // Beside the bound, what no normal float holds.
          if (Number.isFinite(wanted))
            expect(Math.abs(got - value)).toBeLessThanOrEqual(BOUND * terms + 2 ** -126);
          else expect(got).toBe(wanted);
        };
        for (let r = 0; r < rows; ++r) {
          for (let p = 1; p <= order; ++p)
            check(moments[r * order + p - 1]!, (i) => x[i]! ** (2 * p) / cols, r);
          for (let p = 0; p <= order; ++p)
            check(products[r * (order + 1) + p]!, (i) => dy[i]! * x[i]! ** p, r);
        }
      }
    },
  );

  test('gives the same bits again, and on another queue', () => {
    const sample = sampleOf(polynormRow, 90, 300, { seed: 8 });
    const first = runSplit(queue, sample, 2);
    for (const another of queues) expect(runSplit(another, sample, 2)).toEqual(first);
  });

  test('loses a term whose moment is no float, and nothing else', () => {
    // At 1e7 that of x^3; what is left is PolyNorm of order 2.
    const sample = sampleOf(polynormRow, 3, 60, { seed: 2, scale: 1e7 });
    const left = { ...sample, tensors: { ...sample.tensors, weight: sample.tensors.weight!.slice(1) } };
    const got = runSplit(queue, sample, 2);
    expect(got.dweights.every((dweight) => dweight[0] === 0)).toBe(true);
    expectWhole({ ...got, dweights: got.dweights.map((dweight) => dweight.slice(1)) }, left);
  });

  test.each([1e20, 1e30, 3e37])('leaves the bias alone of values of %d', (scale) => {
    const sample = sampleOf(polynormRow, 3, 60, { seed: 2, scale });
    const { y, dx, dweights } = runSplit(queue, sample, 2);
    expect(y.every((value) => value === sample.tensors.bias![0])).toBe(true);
    expect(dx.every((value) => value === 0)).toBe(true);
    expect(dweights.every((dweight) => dweight.every((value) => value === 0))).toBe(true);
  });

  test('refuses sums of another shape, and scalars that are none', () => {
    const tensor = (...shape: number[]) => ({
      data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
      shape,
    });
    const [weight, bias] = [tensor(3), tensor()];
    const forward = (moments: NativeTensor) =>
      callNative(queue, 'polynormapply_forward', [tensor(4, 5), weight, bias, moments], [1e-6], 1);
    expect(() => forward(tensor(4, 2))).toThrow(/moments has shape \[4, 2\]; expected 3 on axis 1/);
    expect(() => forward(tensor(3, 3))).toThrow(/expected 4 on axis 0/);
    expect(() => forward(tensor(12))).toThrow(/moments has shape \[12\]/);
    const sums = (count: number, order: number) =>
      callNative(queue, 'polynormmoments', [tensor(4, 5)], [count, order], 1);
    expect(() => sums(0, 3)).toThrow(/count is 0/);
    expect(() => sums(5, 5)).toThrow(/order is 5; expected 1 to 4/);
    expect(() => sums(5, 2.5)).toThrow(/order is 2.5/);
  });
});
