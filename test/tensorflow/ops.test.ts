import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tfjsActivations } from '../../src/activations/table.js';
import { polyNorm, polyRelu, relu2, unfused } from '../../src/index.js';
import { BOUND, errorOf, expected, sameBits } from '../../src/op/compare.js';
import { runOp } from '../../src/op/run.js';
import { referenceInputs, type Sample, sampleOf, scalarValues, shapeOf } from '../../src/op/sample.js';
import type { FusedOp } from '../../src/op/types.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';

if (!tensorflowStatus.fused)
  console.warn(`skipped: the fused ops in TensorFlow: ${tensorflowStatus.missing}`);

beforeAll(async () => {
  if (tensorflowStatus.fused) await tf.setBackend('tensorflow');
});

function inputsOf(op: FusedOp, sample: Sample): tf.Tensor[] {
  return op.inputs.map((name) => tf.tensor(sample.tensors[name]!, shapeOf(name, sample)));
}

/** y and the gradients, as TensorFlow gives them. */
function run(
  op: FusedOp,
  sample: Sample,
  leading?: number[],
): { y: Float32Array; gradients: Float32Array[] } {
  return tf.tidy(() => {
    const inputs = inputsOf(op, sample).map((tensor) =>
      tensor.rank === 2 && leading !== undefined ? tensor.reshape([...leading, tensor.shape[1]!]) : tensor,
    );
    const f = (...args: tf.Tensor[]) => runOp(op, args, sample.scalars);
    const dy = tf.tensor(sample.dy, [...(leading ?? [sample.rows]), sample.cols]);
    const gradients = tf.grads(f)(inputs, dy);
    for (const [i, gradient] of gradients.entries()) expect(gradient.shape).toEqual(inputs[i]!.shape);
    const y = f(...inputs);
    expect(y.shape).toEqual(dy.shape);
    return { y: y.dataSync<'float32'>(), gradients: gradients.map((g) => g.dataSync<'float32'>()) };
  });
}

function expectClose(op: FusedOp, sample: Sample, leading?: number[]): void {
  const got = run(op, sample, leading);
  const wanted = expected(op, sample);
  expect(errorOf(got.y, wanted.y), 'y').toBeLessThanOrEqual(BOUND);
  for (const [i, name] of op.inputs.entries()) {
    expect(errorOf(got.gradients[i]!, wanted.gradients[i]!), `d${name}`).toBeLessThanOrEqual(BOUND);
  }
}

describe.skipIf(!tensorflowStatus.fused).each(tfjsActivations)('$kernelName in TensorFlow', (op) => {
  test('runs fused', () => {
    expect(tf.getBackend()).toBe('tensorflow');
    expect(tf.getKernel(op.kernelName, 'tensorflow') ?? null).not.toBeNull();
  });

  test.each([1, 7, 123, 8191, 8256])('agrees with its reference, %i wide', (cols) => {
    expectClose(op, sampleOf(op, 3, cols, { seed: cols }));
  });

  test('takes any leading shape', () => {
    expectClose(op, sampleOf(op, 12, 10), [2, 3, 2]);
    expectClose(op, sampleOf(op, 1, 10), []);
    expectClose(op, sampleOf(op, 6, 10), [1, 6, 1, 1, 1]);
  });

  test('takes empty tensors', () => {
    for (const [rows, cols] of [
      [0, 4],
      [4, 0],
    ] as const) {
      const { y, gradients } = run(op, sampleOf(op, rows, cols));
      expect(y).toHaveLength(0);
      for (const gradient of gradients) expect(gradient.every((value) => value === 0)).toBe(true);
    }
  });

  test('keeps its word when scalars and orders change from call to call', () => {
    for (const epsilon of [1e-6, 1e-2, 1e-6, 0.5])
      expectClose(op, sampleOf(op, 3, 20, { scalars: { epsilon }, scale: 0.1 }));
    for (const order of [1, 4, 2, 3]) expectClose(op, sampleOf(op, 3, 20, { order }));
    for (const name of op.scalars) {
      for (const value of scalarValues(name))
        expectClose(op, sampleOf(op, 3, 20, { scalars: { [name]: value } }));
    }
  });

  test('gives the same bits again', () => {
    const sample = sampleOf(op, 100, 500, { seed: 21 });
    const first = run(op, sample);
    const again = run(op, sample);
    expect(sameBits(first.y, again.y)).toBe(true);
    for (const [i, gradient] of first.gradients.entries())
      expect(sameBits(gradient, again.gradients[i]!)).toBe(true);
  });

  test('leaks no tensor and no byte over two thousand steps', () => {
    const inputs = inputsOf(op, sampleOf(op, 4, 16));
    const gradient = tf.grads((...args: tf.Tensor[]) => runOp(op, args, sampleOf(op, 1, 1).scalars));
    const before = tf.memory();
    for (let i = 0; i < 2000; ++i) tf.dispose(gradient(inputs));
    const { numTensors, numDataBuffers, numBytes } = tf.memory();
    expect({ numTensors, numDataBuffers, numBytes }).toEqual({
      numTensors: before.numTensors,
      numDataBuffers: before.numDataBuffers,
      numBytes: before.numBytes,
    });
    tf.dispose(inputs);
  });

  test('runs one kernel forward and one backward', async () => {
    const inputs = inputsOf(op, sampleOf(op, 2, 8));
    const dy = tf.ones([2, 8]);
    const f = (...args: tf.Tensor[]) => runOp(op, args, sampleOf(op, 1, 1).scalars);
    const { kernelNames } = await tf.profile(() => tf.grads(f)(inputs, dy));
    // Identity, which copies nothing, is the tape's own.
    expect(kernelNames.filter((name) => name !== 'Identity').sort()).toEqual(
      [op.kernelName, `${op.kernelName}Grad`].sort(),
    );
    tf.dispose([inputs, dy]);
  });

  test('gives the gradient of what is asked alone', () => {
    const inputs = inputsOf(op, sampleOf(op, 2, 8));
    const before = tf.memory().numTensors;
    const dx = tf.grad((x) => runOp(op, [x, ...inputs.slice(1)], sampleOf(op, 1, 1).scalars))(inputs[0]!);
    expect(dx.shape).toEqual(inputs[0]!.shape);
    dx.dispose();
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(inputs);
  });

  test('has a typed error for a second derivative, and one that works unfused', () => {
    tf.tidy(() => {
      const sample = sampleOf(op, 2, 8);
      const inputs = inputsOf(op, sample);
      const f = (x: tf.Tensor) => runOp(op, [x, ...inputs.slice(1)], sampleOf(op, 1, 1).scalars);
      const second = () => tf.grad((x) => tf.grad(f)(x))(inputs[0]!);
      expect(second).toThrow(/no second derivative/);
      if (/silu|swiglu/i.test(op.name)) return; // tfjs loses the second derivative of its own sigmoid
      const got = unfused(second).dataSync();
      for (const [i, wanted] of secondDerivative(op, sample).entries()) {
        expect(Math.abs(got[i]! - wanted), `element ${i}`).toBeLessThan(1e-3 * (1 + Math.abs(wanted)));
      }
    });
  });

  test('agrees with its composition on whatever fast-check thinks of', () => {
    const cases = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }), fc.integer());
    fc.assert(
      fc.property(cases, ([rows, cols, seed]) => {
        expectClose(op, sampleOf(op, rows, cols, { seed }));
      }),
      { numRuns: 50 },
    );
  });
});

/** The gradient of the sum of the first input's gradient, by differences of the reference. */
function secondDerivative(op: FusedOp, sample: Sample): number[] {
  const given = referenceInputs(sample);
  const ones = new Float64Array(sample.dy.length).fill(1);
  const sum = () => op.reference.backward(given, ones)[0]!.value.reduce((total, value) => total + value, 0);
  const x = given.tensors[op.inputs[0]!]!;
  return Array.from(x, (value, i) => {
    const step = 1e-5;
    x[i] = value + step;
    const above = sum();
    x[i] = value - step;
    const below = sum();
    x[i] = value;
    return (above - below) / (2 * step);
  });
}

describe.skipIf(!tensorflowStatus.fused)('the public ops in TensorFlow', () => {
  test('take arrays as well as tensors, and leave none behind', () => {
    const before = tf.memory().numTensors;
    const ys = [polyNorm([[1, 2, 3]], [1, 1, 1], 0), polyRelu([1, -2], [1, 1, 1], 0.5), relu2([3, -1])];
    expect(Array.from(ys[1]!.dataSync())).toEqual([3.5, 0.5]);
    expect(Array.from(ys[2]!.dataSync())).toEqual([9, 0]);
    expect(tf.memory().numTensors).toBe(before + 3);
    tf.dispose(ys);
  });

  test('train a model', () => {
    const weight = tf.variable(tf.fill([3], 1 / 3));
    const bias = tf.variable(tf.scalar(0));
    const x = tf.linspace(-2, 2, 64).reshape([8, 8]);
    const target = tf.relu(x);
    const optimizer = tf.train.adam(0.05);
    const step = () =>
      optimizer
        .minimize(() => tf.losses.meanSquaredError(target, polyRelu(x, weight, bias)), true)!
        .dataSync()[0]!;
    const first = step();
    for (let i = 0; i < 300; ++i) step();
    expect(step()).toBeLessThan(first / 100);
    optimizer.dispose();
    tf.dispose([weight, bias, x, target]);
  });

  test('give back the memory that they take', () => {
    const x = tf.randomNormal([256, 1024]);
    const resident = () => process.memoryUsage.rss() / 2 ** 20;
    const steps = (n: number) => {
      for (let i = 0; i < n; ++i) tf.dispose(polyNorm(x, [0.1, 0.2, 0.3], 0));
    };
    steps(500);
    const before = resident();
    steps(4000); // 4 GB of outputs
    expect(resident() - before).toBeLessThan(100);
    x.dispose();
  });

  afterAll(() => tf.disposeVariables());
});
