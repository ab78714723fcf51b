import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { activations } from '../../src/activations/table.js';
import { backwardPass, forwardPass } from '../../src/op/types.js';
import { BOUND, errorOf, expected, type Sample, sameBits, sampleOf, uniform } from '../oracle.js';
import { floats, native, runNative, tensorOf } from './harness.js';

const WIDTHS = [1, 2, 7, 15, 16, 17, 64, 123, 1023, 1025, 4096, 8191, 8256, 70_001];
const one = native?.createQueue({ threads: 1 });
const many = native?.createQueue({ threads: 4 });
afterAll(() => {
  one?.dispose();
  many?.dispose();
});

describe.skipIf(native === undefined).each(activations)('$name on the CPU', (op) => {
  const queue = one!;

  function expectClose(sample: Sample): void {
    const got = runNative(queue, op, sample);
    const wanted = expected(op, sample);
    expect(errorOf(got.y, wanted.y), 'y').toBeLessThanOrEqual(BOUND);
    for (const [i, name] of op.inputs.entries()) {
      expect(errorOf(got.gradients[i]!, wanted.gradients[i]!), `d${name}`).toBeLessThanOrEqual(BOUND);
    }
  }

  test.each(WIDTHS)('agrees with its reference, %i wide', (cols) => {
    expectClose(sampleOf(op, cols > 10_000 ? 2 : 9, cols, { seed: cols }));
  });

  test.each([1e-30, 1e-12, 1e-3, 12, 4000, 1e5])(
    'agrees with its reference, standard deviation %f',
    (scale) => {
      expectClose(sampleOf(op, 4, 300, { scale, seed: 5 }));
      expectClose(sampleOf(op, 4, 300, { scale, seed: 5, epsilon: 0 }));
    },
  );

  test('gives no NaN for finite input, however large', () => {
    for (const scale of [1e7, 1e12, 1e20, 1e30]) {
      const sample = sampleOf(op, 3, 130, { scale, seed: 6 });
      const y = expected(op, sample).y;
      const got = runNative(queue, op, sample);
      const fits = y.value.every((value) => Math.abs(value) < 3.4e38);
      if (fits) expect(errorOf(got.y, y), `${scale}`).toBeLessThanOrEqual(BOUND);
      expect(got.y.some(Number.isNaN), `y at ${scale}`).toBe(false);
    }
  });

  test('passes NaN and infinity on as its reference does, and to no other row', () => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const sample = sampleOf(op, 3, 40, { seed: 8 });
      sample.tensors.x![47] = odd;
      const got = runNative(queue, op, sample);
      const wanted = expected(op, sample);
      for (const [i, value] of got.y.entries()) {
        expect(Number.isFinite(value), `${odd}: y[${i}]`).toBe(Number.isFinite(wanted.y.value[i]));
      }
      for (const [i, value] of got.gradients[0]!.entries()) {
        expect(Number.isFinite(value), `${odd}: dx[${i}]`).toBe(
          Number.isFinite(wanted.gradients[0]!.value[i]),
        );
      }
    }
  });

  test('takes no rows, no columns and rows of zeros', () => {
    for (const [rows, cols] of [
      [0, 5],
      [5, 0],
      [0, 0],
    ] as const) {
      const { y, gradients } = runNative(queue, op, sampleOf(op, rows, cols));
      expect(y).toHaveLength(0);
      for (const gradient of gradients.slice(1)) expect(gradient.every((value) => value === 0)).toBe(true);
    }
    for (const epsilon of [0, 1e-6]) {
      const sample = sampleOf(op, 2, 30, { epsilon });
      sample.tensors.x!.fill(0);
      expectClose(sample);
    }
  });

  test('gives the same bits again, and with more threads', () => {
    const sample = sampleOf(op, 333, 777, { seed: 11 });
    const first = runNative(queue, op, sample);
    for (const other of [queue, many!, many!]) {
      const again = runNative(other, op, sample);
      expect(sameBits(again.y, first.y)).toBe(true);
      for (const [i, gradient] of again.gradients.entries()) {
        expect(sameBits(gradient, first.gradients[i]!)).toBe(true);
      }
    }
  });

  test('takes rows that are apart, and memory at any offset', () => {
    const [rows, cols, stride] = [6, 37, 53];
    const sample = sampleOf(op, rows, cols, { seed: 13 });
    const wanted = runNative(queue, op, sample);
    for (const offset of [0, 1, 3]) {
      const spread = (values: Float32Array) => {
        const data = new Float32Array(offset + rows * stride).fill(Number.NaN).subarray(offset);
        for (let r = 0; r < rows; ++r) data.set(values.subarray(r * cols, (r + 1) * cols), r * stride);
        return { data, shape: [rows, cols], strides: [stride, 1] };
      };
      const empty = () => spread(new Float32Array(rows * cols));
      const x = { ...tensorOf('x', sample), ...spread(sample.tensors.x!) };
      const inputs = op.inputs.map((name) => (name === 'x' ? x : tensorOf(name, sample)));
      const scalars = op.scalars.map(() => sample.epsilon);
      const y = empty();
      queue.call(forwardPass(op).native, { inputs, outputs: [y], scalars });
      expect(sameBits(packed(y.data, rows, cols, stride), wanted.y)).toBe(true);
      expect(y.data.subarray(cols, stride).every(Number.isNaN), 'between the rows').toBe(true);
      const dx = empty();
      const others = op.inputs
        .slice(1)
        .map((name) => ({ ...tensorOf(name, sample), data: floatsLike(name, sample) }));
      const outputs = [dx, ...others];
      queue.call(backwardPass(op).native, { inputs: [...inputs, spread(sample.dy)], outputs, scalars });
      expect(sameBits(packed(dx.data, rows, cols, stride), wanted.gradients[0]!)).toBe(true);
      for (const [i, other] of others.entries()) {
        expect(errorOf(floats(other), expected(op, sample).gradients[i + 1]!)).toBeLessThanOrEqual(BOUND);
      }
    }
  });

  test('agrees with its reference on whatever fast-check thinks of', () => {
    const shape = fc.record({ rows: fc.integer({ min: 1, max: 6 }), cols: fc.integer({ min: 1, max: 70 }) });
    const spread = fc.record({
      seed: fc.integer(),
      exponent: fc.integer({ min: -6, max: 4 }),
      zeros: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(
        shape,
        spread,
        fc.constantFrom(0, 1e-6, 1e-2),
        ({ rows, cols }, { seed, exponent, zeros }, epsilon) => {
          const sample = sampleOf(op, rows, cols, { seed, scale: 10 ** exponent, epsilon });
          const next = uniform(seed);
          for (const i of sample.tensors.x!.keys()) if (next() < zeros / 2) sample.tensors.x![i] = 0;
          expectClose(sample);
        },
      ),
      { numRuns: 200 },
    );
  });
});

function packed(data: Float32Array, rows: number, cols: number, stride: number): Float32Array {
  const values = new Float32Array(rows * cols);
  for (let r = 0; r < rows; ++r) values.set(data.subarray(r * stride, r * stride + cols), r * cols);
  return values;
}

function floatsLike(name: string, { tensors }: Sample): Float32Array {
  return new Float32Array(tensors[name]!.length);
}
