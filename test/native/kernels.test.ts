import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { activations } from '../../src/activations/table.js';
import type { Queue } from '../../src/native/queue.js';
import type { Sums } from '../../src/op/reference.js';
import { backwardPass, forwardPass } from '../../src/op/types.js';
import { BOUND, errorOf, expected, type Sample, sameBits, sampleOf, uniform } from '../oracle.js';
import { emulatedCuda, floats, native, runNative, tensorOf } from './harness.js';

const WIDTHS = [1, 2, 7, 15, 16, 17, 64, 123, 1023, 1025, 4096, 8191, 8256, 70_001];
const emulated = await emulatedCuda();
// Each host's queues give the same bits.
const hosts = [
  {
    host: 'the CPU',
    bitsByShape: true, // whatever the alignment
    queues: native && [native.createQueue({ threads: 1 }), native.createQueue({ threads: 4 })],
  },
  {
    host: 'the CUDA emulator',
    bitsByShape: false,
    queues: emulated && [0, 1].map(() => emulated.createQueue({ device: 'cuda' })),
  },
];
afterAll(() => {
  for (const { queues } of hosts) for (const queue of queues ?? []) queue.dispose();
});

const cases = hosts.flatMap((host) => activations.map((op) => ({ name: op.name, op, ...host })));

describe.each(cases)('$name on $host', ({ op, queues, bitsByShape }) => {
  if (queues === undefined) return test.skip('needs the library', () => undefined);
  const [queue, another] = queues as [Queue, Queue];

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

  test('gives the same bits again, and on another queue', () => {
    const sample = sampleOf(op, 333, 777, { seed: 11 });
    const first = runNative(queue, op, sample);
    for (const other of [queue, another, another]) {
      const again = runNative(other, op, sample);
      expect(sameBits(again.y, first.y)).toBe(true);
      for (const [i, gradient] of again.gradients.entries()) {
        expect(sameBits(gradient, first.gradients[i]!)).toBe(true);
      }
    }
  });

  test.each([37, 1030])('takes rows that are apart, and memory at any offset, %i wide', (cols) => {
    const [rows, stride] = [6, cols + 16];
    const sample = sampleOf(op, rows, cols, { seed: 13 });
    const packed = runNative(queue, op, sample);
    const wanted = expected(op, sample);
    const workspace = new Float64Array(1024);
    for (const [ofX, ofDy, ofOutput] of [
      [0, 0, 0],
      [1, 1, 1],
      [3, 3, 3],
      [0, 1, 2],
      [2, 2, 0],
    ] as const) {
      const spread = (values: Float32Array, offset: number) => {
        const data = new Float32Array(offset + rows * stride).fill(Number.NaN).subarray(offset);
        for (let r = 0; r < rows; ++r) data.set(values.subarray(r * cols, (r + 1) * cols), r * stride);
        return { data, shape: [rows, cols], strides: [stride, 1] };
      };
      const expectOutput = (data: Float32Array, sums: Sums, same: Float32Array) => {
        const values = new Float32Array(rows * cols);
        for (let r = 0; r < rows; ++r) values.set(data.subarray(r * stride, r * stride + cols), r * cols);
        expect(errorOf(values, sums)).toBeLessThanOrEqual(BOUND);
        if (bitsByShape) expect(sameBits(values, same)).toBe(true);
        expect(data.subarray(cols, stride).every(Number.isNaN), 'between the rows').toBe(true);
      };
      const empty = () => spread(new Float32Array(rows * cols), ofOutput);
      const x = spread(sample.tensors.x!, ofX);
      const inputs = op.inputs.map((name) => (name === 'x' ? x : tensorOf(name, sample)));
      const scalars = op.scalars.map(() => sample.epsilon);
      const y = empty();
      queue.call(forwardPass(op).native, { inputs, outputs: [y], scalars });
      expectOutput(y.data, wanted.y, packed.y);
      const dx = empty();
      const others = op.inputs.slice(1).map((name) => ({
        ...tensorOf(name, sample),
        data: new Float32Array(sample.tensors[name]!.length),
      }));
      const outputs = [dx, ...others];
      const dy = spread(sample.dy, ofDy);
      queue.call(backwardPass(op).native, { inputs: [...inputs, dy], outputs, scalars, workspace });
      expectOutput(dx.data, wanted.gradients[0]!, packed.gradients[0]!);
      for (const [i, other] of others.entries()) {
        expect(errorOf(floats(other), wanted.gradients[i + 1]!)).toBeLessThanOrEqual(BOUND);
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
