import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unfused } from '../../src/index.js';
import { allocate } from '../../src/native/arguments.js';
import { decode, encoded, type Stored } from '../../src/native/dtype.js';
import type { Dtype } from '../../src/native/types.js';
import { sameBits } from '../../src/op/compare.js';
import { normal, stored } from '../../src/op/sample.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { adamWStep, squareSum } from '../../src/transformer-ops/optimizer.js';
import { emulatedCuda, native } from '../native/harness.js';

const SIZES = [1, 7, 0, 123, 8191, 200_003];
const RATES = {
  learningRate: 0.01,
  betas: [0.9, 0.95],
  epsilon: 1e-8,
  weightDecay: 0.1,
  scale: 0.5,
} as const;
const STEPS = 5;

/** Of a tensor of this size, at this step. */
const gradientOf = (size: number, step: number) => normal(size, size + step, 3);

/** AdamW in f64, as PyTorch's documentation has it. */
function reference(size: number): Record<'p' | 'm' | 'v', Float64Array> {
  const p = Float64Array.from(normal(size, size));
  const [m, v] = [new Float64Array(size), new Float64Array(size)];
  const { learningRate, betas, epsilon, weightDecay, scale } = RATES;
  for (let step = 1; step <= STEPS; ++step) {
    for (const [i, gradient] of gradientOf(size, step).entries()) {
      const g = gradient * scale;
      p[i]! -= learningRate * weightDecay * p[i]!;
      m[i] = betas[0] * m[i]! + (1 - betas[0]) * g;
      v[i] = betas[1] * v[i]! + (1 - betas[1]) * g * g;
      const [mean, root] = [m[i]! / (1 - betas[0] ** step), Math.sqrt(v[i]! / (1 - betas[1] ** step))];
      p[i]! -= (learningRate * mean) / (root + epsilon);
    }
  }
  return { p, m, v };
}

function expectNear(got: ArrayLike<number>, wanted: Float64Array, what: string): void {
  // One expectation for all: a million would take a minute. NaN counts as wrong.
  const wrong = wanted.findIndex((value, i) => !(Math.abs(got[i]! - value) <= 3e-6 * (1 + Math.abs(value))));
  expect(wrong, `${what}[${wrong}] is ${got[wrong]}; expected ${wanted[wrong]}`).toBe(-1);
  expect(got.length, what).toBe(wanted.length);
}

const hyperOf = (step: number) => {
  const { learningRate, betas, epsilon, weightDecay, scale } = RATES;
  const [a, b] = betas;
  return Float32Array.of(
    ...[
      learningRate,
      a,
      1 - a,
      b,
      1 - b,
      epsilon,
      weightDecay,
      scale,
      1 - a ** step,
      Math.sqrt(1 - b ** step),
    ],
  );
};

const emulated = await emulatedCuda();
const queues = [
  { host: 'the CPU, one thread', queue: native?.createQueue({ threads: 1 }) },
  { host: 'the CPU, four threads', queue: native?.createQueue({ threads: 4 }) },
  { host: 'the CUDA emulator', queue: emulated?.createQueue({ device: 'cuda' }) },
];
afterAll(() => {
  for (const { queue } of queues) queue?.dispose();
});

describe.each(queues)('the optimizer on $host', ({ queue }) => {
  if (queue === undefined) return test.skip('needs the library', () => undefined);

  test('steps as its reference does', () => {
    const tensors = SIZES.map((size) => ({
      size,
      p: normal(size, size),
      m: new Float32Array(size),
      v: new Float32Array(size),
    }));
    for (let step = 1; step <= STEPS; ++step) {
      const inputs = tensors.flatMap(({ size, p, m, v }) =>
        [p, gradientOf(size, step), m, v].map((data) => ({ data, shape: [size] })),
      );
      queue.call('adamw', { inputs: [{ data: hyperOf(step), shape: [10] }, ...inputs], outputs: [] });
    }
    for (const { size, p, m, v } of tensors) {
      const wanted = reference(size);
      expectNear(p, wanted.p, 'p');
      expectNear(m, wanted.m, 'm');
      expectNear(v, wanted.v, 'v');
    }
  });

  test('steps as many tensors as there are, each by itself', () => {
    const tensors = Array.from({ length: 150 }, (_, i) =>
      [i % 7, 300 + i].map((size) => normal(size, i + 1)),
    );
    const inputs = tensors.flat().flatMap((p) => {
      const zeros = () => ({ data: new Float32Array(p.length), shape: [p.length] });
      return [{ data: p, shape: [p.length] }, { data: p.slice(), shape: [p.length] }, zeros(), zeros()];
    });
    const alone = inputs.map(({ data, shape }) => ({ data: data.slice(), shape }));
    const hyper = { data: hyperOf(1), shape: [10] };
    const step = (of: typeof inputs) => queue.call('adamw', { inputs: [hyper, ...of], outputs: [] });
    for (let i = 0; i < inputs.length; i += 800) step(inputs.slice(i, i + 800));
    for (let i = 0; i < alone.length; i += 4) step(alone.slice(i, i + 4));
    expect(inputs).toEqual(alone);
  });

  test.each([
    ['large', 1e16],
    ['small', 1e-20],
  ])('sums squares, %s ones too', (_, scale) => {
    const sizes = [...SIZES, ...Array.from({ length: 140 }, (_, i) => i)];
    const tensors = sizes.map((size) => normal(size, size + 1, scale));
    let sum = 0;
    for (const values of tensors) for (const value of values) sum += value * value;
    const data = new Float32Array(1);
    const inputs = tensors.map((values) => ({ data: values, shape: [values.length] }));
    queue.call('squaresum', { inputs, outputs: [{ data, shape: [] }] });
    expect(Math.abs(data[0]! / sum - 1)).toBeLessThan(1e-6);
    queue.call('squaresum', { inputs: [], outputs: [{ data, shape: [] }] });
    expect(data[0]).toBe(0);
  });

  test('steps by gradients of any storage, and writes copies of any', () => {
    const storages = ['f32', 'f16', 'bf16'] as const;
    const cases = SIZES.flatMap((size) =>
      storages.flatMap((gradient) => storages.map((copy) => ({ size, gradient, copy }))),
    );
    const tensors = (size: number, gradient: Dtype) => {
      const values = stored(gradientOf(size, 1), gradient);
      const all = [normal(size, size), values, new Float32Array(size), new Float32Array(size)];
      return all.map((data) => ({ data, shape: [size] }));
    };
    const hyper = { data: hyperOf(1), shape: [10] };
    // Those of one list are taken together: some with copies, some without.
    for (const name of ['adamw', 'mixedadamw']) {
      const of = cases.filter(({ copy }) => (copy === 'f32') === (name === 'adamw'));
      const plain = of.map(({ size, gradient }) => tensors(size, gradient));
      queue.call('adamw', { inputs: [hyper, ...plain.flat()], outputs: [] });
      const mixed = of.map(({ size, gradient, copy }) => {
        const [p, g, m, v] = tensors(size, gradient);
        const short = { data: encoded(g!.data, gradient), shape: [size], dtype: gradient };
        return [p!, short, m!, v!, ...(copy === 'f32' ? [] : [allocate(copy, [size])])];
      });
      queue.call(name, { inputs: [hyper, ...mixed.flat()], outputs: [] });
      for (const [i, { size, gradient, copy }] of of.entries()) {
        for (const k of [0, 2, 3]) {
          const same = sameBits(mixed[i]![k]!.data as Float32Array, plain[i]![k]!.data);
          expect(same, `${name}: ${k} of ${size}, ${gradient}`).toBe(true);
        }
        if (copy === 'f32') continue;
        const copied = decode(mixed[i]![4]!.data as Stored, copy);
        expect(sameBits(copied, stored(plain[i]![0]!.data, copy)), `${size}, ${copy}`).toBe(true);
      }
    }
  });

  test('sums squares of every storage together', () => {
    const storages = ['f16', 'f32', 'bf16'] as const;
    const tensors = SIZES.flatMap((size) =>
      storages.map((dtype) => ({ dtype, values: stored(normal(size, size + 1), dtype) })),
    );
    let sum = 0;
    for (const { values } of tensors) for (const value of values) sum += value * value;
    const inputs = tensors.map(({ dtype, values }) => ({
      ...{ data: encoded(values, dtype), shape: [values.length] },
      dtype,
    }));
    const data = new Float32Array(1);
    queue.call('squaresum', { inputs, outputs: [{ data, shape: [] }] });
    expect(Math.abs(data[0]! / sum - 1)).toBeLessThan(1e-6);
  });

  test('refuses what does not fit', () => {
    const of = (size: number) => ({ data: new Float32Array(size), shape: [size] });
    const adamw = (...inputs: ReturnType<typeof of>[]) => queue.call('adamw', { inputs, outputs: [] });
    expect(() => adamw(of(9), of(2), of(2), of(2), of(2))).toThrow(
      /hyper has shape \[9\]; expected 10 on axis 0/,
    );
    expect(() => adamw(of(10), of(2), of(2), of(2))).toThrow(/got 4 inputs; expected 1 and a multiple of 4/);
    expect(() => adamw(of(10), of(2), of(2), of(3), of(2))).toThrow(
      /m has shape \[3\].*its parameter's, \[2\], in f32/,
    );
  });
});

const backends = [
  { backend: 'tensorflow', fused: true },
  { backend: 'tensorflow', fused: false },
  { backend: 'cpu', fused: false },
];

describe.each(backends)('AdamW on $backend, fused: $fused', ({ backend, fused }) => {
  const before = tf.getBackend();
  const skipped = backend === 'tensorflow' && !tensorflowStatus.fused;
  if (skipped) console.warn(`skipped: the optimizer in TensorFlow: ${tensorflowStatus.missing}`);
  beforeAll(async () => void (skipped || (await tf.setBackend(backend))));
  afterAll(async () => void (skipped || (await tf.setBackend(before || 'cpu'))));
  const maybe = <T>(f: () => T): T => (fused ? f() : unfused(f));
  const sizes = SIZES.slice(0, 5);

  test.skipIf(skipped)(
    'steps as its reference does, leaves nothing behind and no array of ours changed',
    () => {
      const given = sizes.map((size) => normal(size, size));
      const tensors = sizes.map((size, i) => ({
        parameter: tf.variable(tf.tensor1d(given[i]!)),
        m: tf.variable(tf.tensor1d(new Float32Array(size))),
        v: tf.variable(tf.tensor1d(new Float32Array(size))),
      }));
      const start = tf.memory().numTensors;
      for (let step = 1; step <= STEPS; ++step) {
        tf.tidy(() => {
          const all = tensors.map((t, i) => ({ ...t, gradient: tf.tensor1d(gradientOf(sizes[i]!, step)) }));
          maybe(() => adamWStep(all, { ...RATES, step }));
        });
      }
      expect(tf.memory().numTensors).toBe(start);
      for (const [i, { parameter, m, v }] of tensors.entries()) {
        const wanted = reference(sizes[i]!);
        expectNear(parameter.dataSync(), wanted.p, 'p');
        expectNear(m.dataSync(), wanted.m, 'm');
        expectNear(v.dataSync(), wanted.v, 'v');
        expect(given[i]).toEqual(normal(sizes[i]!, sizes[i]!));
      }
      tf.dispose(tensors.flatMap(({ parameter, m, v }) => [parameter, m, v]));
    },
  );

  test.skipIf(skipped)('takes the norm of more tensors than one call holds', () => {
    const tensors = Array.from({ length: 1003 }, (_, i) => tf.scalar(i % 2 === 0 ? 2 : -1));
    const sum = maybe(() => squareSum(tensors));
    expect(sum.dataSync()[0]).toBe(502 * 4 + 501);
    expect(maybe(() => squareSum([])).dataSync()[0]).toBe(0);
    tf.dispose(tensors);
  });
});
