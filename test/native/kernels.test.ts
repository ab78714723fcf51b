import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { uniform } from '../../src/common/random.js';
import { allocate } from '../../src/native/arguments.js';
import { encode, type Stored } from '../../src/native/dtype.js';
import type { Queue } from '../../src/native/queue.js';
import type { Dtype, NativeTensor } from '../../src/native/types.js';
import { BOUND, errorOf, expected, sameBits, sameKind } from '../../src/op/compare.js';
import { hasOrder, type SampleOptions, sampleOf, scalarVariants } from '../../src/op/sample.js';
import type { Sums } from '../../src/op/sums.js';
import { passesOf } from '../../src/op/types.js';
import { opRows } from '../../src/ops.js';
import { element, expectClose, expectSame, floats, nativeTensor, queuePairs, runNative } from './harness.js';

const WIDTHS = [1, 2, 7, 15, 16, 17, 64, 123, 1023, 1025, 4096, 8191, 8256, 70_001];
const SHORT: readonly Dtype[] = ['f16', 'bf16'];
// On the CPU bits are by the shape, whatever the alignment.
const hosts = (await queuePairs([1, 4])).map((pair) => ({ ...pair, bitsByShape: pair.host === 'the CPU' }));

const every = hosts.flatMap((host) => opRows.map((op) => ({ name: op.name, op, ...host })));

describe.each(every)('$name on $host', ({ op, queues }) => {
  if (queues === undefined) return test.skip('needs the library', () => undefined);
  const samples = op
    .samples()
    .filter(({ special }) => special !== 'odd' && special !== 'huge')
    .map((sample) => ({ title: sample.title, sample }));

  test.each(samples)('agrees with its reference: $title', ({ sample }) => {
    expectClose(runNative(queues[0]!, op, sample), op, sample);
  });

  test('gives the same bits again, and on another queue', () => {
    for (const { sample } of samples) {
      const first = runNative(queues[0]!, op, sample);
      for (const queue of [queues[0]!, queues[1]!]) expectSame(runNative(queue, op, sample), first, op);
    }
  });
});

const cases = hosts.flatMap((host) => activationRows.map((op) => ({ name: op.name, op, ...host })));

describe.each(cases)('$name, an activation, on $host', ({ op, queues, bitsByShape }) => {
  if (queues === undefined) return test.skip('needs the library', () => undefined);
  const [queue, another] = queues as [Queue, Queue];

  function check(rows: number, cols: number, options: SampleOptions): void {
    const sample = sampleOf(op, rows, cols, options);
    expectClose(runNative(queue, op, sample), op, sample);
  }

  const variants: SampleOptions[] = scalarVariants(op);
  const orders = hasOrder(op) ? [1, 2, 3, 4] : [3];

  test.each(WIDTHS)('agrees with its reference, %i wide', (cols) => {
    check(cols > 10_000 ? 2 : 9, cols, { seed: cols });
  });

  test.each(SHORT)('agrees with its reference in %s', (dtype) => {
    for (const cols of [1, 7, 8, 123, 1030, 2052, 8256, 20_000]) {
      check(3, cols, { seed: cols, dtype });
      check(3, cols, { seed: cols, dtype, scale: 0.05 });
    }
  });

  test('agrees with its reference in every order, dtype and variant', () => {
    for (const dtype of ['f32', ...SHORT] as const) {
      for (const order of orders) {
        for (const variant of [{}, ...variants]) check(4, 77, { seed: 40, dtype, order, ...variant });
      }
    }
  });

  test.each([1e-30, 1e-12, 1e-3, 12, 4000, 1e5])(
    'agrees with its reference, standard deviation %f',
    (scale) => {
      for (const order of orders) {
        for (const variant of [{}, ...variants]) check(4, 300, { scale, seed: 5, order, ...variant });
      }
    },
  );

  test('gives no NaN for finite input, however large', () => {
    for (const dtype of ['f32', ...SHORT] as const) {
      for (const order of orders) {
        for (const scale of [1e3, 1e7, 1e12, 1e20, 1e30, 1e38]) {
          if (dtype === 'f16' && scale > 1e4) continue;
          const sample = sampleOf(op, 3, 130, { scale, seed: 6, order, dtype });
          for (const { values } of Object.values(sample.tensors)) limit(values);
          const y = expected(op, sample).outputs[0]!;
          const got = runNative(queue, op, sample).outputs[0]!;
          const fits = dtype === 'f32' && y.value.every((value) => Math.abs(value) < 3.4e38);
          if (fits) expect(errorOf(got, y), `${scale}`).toBeLessThanOrEqual(BOUND);
          // What is beyond float's range may be infinite, but not NaN; a gated product of infinity and 0 is left out.
          if (op.inputs[0] === 'x' || fits) {
            expect(got.some(Number.isNaN), `y at ${scale} in ${dtype}, order ${order}`).toBe(false);
          }
        }
      }
    }
  });

  test('passes NaN and infinity on as its reference does, and to no other row', () => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const sample = sampleOf(op, 3, 40, { seed: 8 });
      sample.tensors[op.inputs[0]!]!.values[47] = odd;
      const got = runNative(queue, op, sample);
      const wanted = expected(op, sample);
      const pairs: [string, Float32Array, Sums][] = [['y', got.outputs[0]!, wanted.outputs[0]!]];
      for (const [i, name] of op.gradients.entries())
        if (op.parameters[name] === undefined)
          pairs.push([`d${name}`, got.gradients[i]!, wanted.gradients[i]!]);
      for (const [name, values, { value }] of pairs) {
        const at = value.findIndex((wanted, i) => !sameKind(values[i]!, wanted));
        expect(at, `${odd}: ${name}[${at}] is ${values[at]}; expected ${value[at]}`).toBe(-1);
      }
    }
  });

  test('takes no rows, no columns and rows of zeros', () => {
    for (const [rows, cols] of [
      [0, 5],
      [5, 0],
      [0, 0],
    ] as const) {
      const { outputs, gradients } = runNative(queue, op, sampleOf(op, rows, cols));
      expect(outputs[0]).toHaveLength(0);
      for (const [i, name] of op.inputs.entries()) {
        expect(
          gradients[i]!.every((value) => value === 0),
          `d${name}`,
        ).toBe(true);
      }
    }
    for (const epsilon of [0, 1e-6]) {
      const sample = sampleOf(op, 2, 30, { scalars: { epsilon } });
      sample.tensors[op.inputs[0]!]!.values.fill(0);
      expectClose(runNative(queue, op, sample), op, sample);
    }
  });

  test.each(['f32', ...SHORT] as const)('gives the same bits again, and on another queue, in %s', (dtype) => {
    const sample = sampleOf(op, 333, 777, { seed: 11, dtype });
    const first = runNative(queue, op, sample);
    for (const other of [queue, another, another]) {
      expectSame(runNative(other, op, sample), first, op);
    }
  });

  test.each([
    [37, 'f32'],
    [1030, 'f32'],
    [37, 'bf16'],
    [2052, 'f16'],
  ] as const)('takes rows that are apart, and memory at any offset, %i wide in %s', (cols, dtype) => {
    const [rows, stride] = [6, cols + 16];
    const sample = sampleOf(op, rows, cols, { seed: 13, dtype });
    const packed = runNative(queue, op, sample);
    const workspace = new Float64Array(1024);
    const names = [...op.inputs, 'dy'];
    for (const [first, step, ofOutputs] of [
      [0, 0, 0],
      [1, 0, 1],
      [3, 0, 3],
      [0, 1, 2],
      [2, 0, 0],
    ] as const) {
      const spread = (values: Float32Array, offset: number): Spread => {
        const whole = allocate(dtype, [offset + rows * stride]);
        (whole.data as Stored).fill(dtype === 'f32' ? Number.NaN : 0xffff);
        const data = (whole.data as Stored).subarray(offset);
        for (let r = 0; r < rows; ++r) {
          encode(values.subarray(r * cols, (r + 1) * cols), dtype, data.subarray(r * stride));
        }
        return { data, dtype, shape: [rows, cols], strides: [stride, 1] };
      };
      const read = (tensor: Spread): Float32Array => {
        const data = floats(tensor);
        const values = new Float32Array(rows * cols);
        for (let r = 0; r < rows; ++r) values.set(data.subarray(r * stride, r * stride + cols), r * cols);
        expect(data.subarray(cols, stride).every(Number.isNaN), 'between the rows').toBe(true);
        return values;
      };
      const given = names.map((name, i) => {
        if (name === 'dy') return spread(sample.upstream[0], first + i * step);
        if (op.parameters[name] !== undefined) return nativeTensor(op, sample, name) as NativeTensor;
        return spread(sample.tensors[name]!.values, first + i * step);
      });
      const empty = () => spread(new Float32Array(rows * cols), ofOutputs);
      const scalars = Object.values(sample.scalars);
      const [forward, backward] = passesOf(op);
      const y = empty();
      queue.call(forward.native, { inputs: given.slice(0, -1), outputs: [y], scalars });
      const gradients = op.inputs.map((name) =>
        op.parameters[name] === undefined
          ? empty()
          : { shape: sample.tensors[name]!.shape, data: sample.tensors[name]!.values.slice() },
      );
      queue.call(backward.native, { inputs: given, outputs: gradients, scalars, workspace });
      const got = {
        outputs: [read(y)],
        gradients: gradients.map((tensor) => ('strides' in tensor ? read(tensor as Spread) : floats(tensor))),
      };
      expectClose(got, op, sample);
      if (!bitsByShape) continue;
      expect(sameBits(got.outputs[0]!, packed.outputs[0]!)).toBe(true);
      expect(sameBits(got.gradients[0]!, packed.gradients[0]!)).toBe(true);
    }
  });

  // Others take rows, or are made of these.
  if (op.inputs.join() === 'x')
    test('agrees with its reference in each element, not only in the norm', () => {
      for (const variant of [{}, ...variants]) {
        const sample = sampleOf(op, 1, 4001, { seed: 51, ...variant });
        const x = sample.tensors.x!.values;
        for (const i of x.keys()) x[i] = (i - 2000) / 200; // further out, gelu by tanh is below floats
        const got = runNative(queue, op, sample);
        const { outputs, gradients } = expected(op, sample);
        for (const [i, xi] of x.entries()) {
          const y = errorOf([got.outputs[0]![i]!], element(outputs[0]!, i));
          expect(y, `y at ${xi}`).toBeLessThanOrEqual(BOUND);
          const dx = errorOf([got.gradients[0]![i]!], element(gradients[0]!, i));
          expect(dx, `dx at ${xi}`).toBeLessThanOrEqual(BOUND);
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
        fc.constantFrom({}, ...variants),
        fc.constantFrom(...orders),
        ({ rows, cols }, { seed, exponent, zeros }, epsilon, { scalars }, order) => {
          const sample = sampleOf(op, rows, cols, {
            seed,
            scale: 10 ** exponent,
            order,
            scalars: { epsilon, ...scalars },
          });
          const next = uniform(seed);
          const x = sample.tensors[op.inputs[0]!]!.values;
          for (const i of x.keys()) if (next() < zeros / 2) x[i] = 0;
          expectClose(runNative(queue, op, sample), op, sample);
        },
      ),
      { numRuns: 200 },
    );
  });
});

type Spread = NativeTensor & { readonly data: Stored; readonly strides: readonly number[] };

/** Keeps values finite: a normal one times 1e38 may not be. */
function limit(values: Float32Array): void {
  for (const [i, value] of values.entries()) values[i] = Math.max(-3.3e38, Math.min(3.3e38, value));
}
