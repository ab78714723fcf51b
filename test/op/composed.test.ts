import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { polyComCoefficients, polyNorm, polyRelu, relu2 } from '../../src/index.js';
import { sampleOf, scalarVariants } from '../../src/op/sample.js';
import { tfjsActivations } from '../../src/ops.js';
import { expectClose } from '../native/harness.js';
import { runByTape } from './harness.js';

// tf's own gradients of normalisations and sums, in f32, without our care for rounding.
const BOUND = 2e-6;

beforeAll(() => tf.setBackend('cpu'));

describe.each(tfjsActivations)('$kernelName composed from tf ops', (op) => {
  test.each([
    {},
    { scale: 1e-3 },
    { scale: 1e-4, scalars: { epsilon: 0 } },
    { scale: 300 },
    { scale: 1e8 },
    { order: 1 },
    { order: 2 },
    { order: 4 },
    ...scalarVariants(op),
  ])('agrees with its reference, %o', (options) => {
    const sample = sampleOf(op, 5, 60, { seed: 31, ...options });
    // An order has more powers than f32 has range at 1e8.
    expectClose(runByTape(op, sample), op, sample, BOUND);
  });

  test('gives no NaN for rows of zeros', () => {
    for (const epsilon of [0, 1e-6]) {
      const sample = sampleOf(op, 2, 3, { scalars: { epsilon } });
      sample.tensors[op.inputs[0]!]!.values.fill(0);
      const { outputs, gradients } = runByTape(op, sample);
      for (const values of [...outputs, ...gradients]) expect(values.some(Number.isNaN)).toBe(false);
    }
  });
});

describe('the public ops on a backend without kernels', () => {
  test('say so once', () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const { weight, bias } = polyComCoefficients();
    for (let i = 0; i < 3; ++i)
      tf.dispose([polyNorm([1, 2], weight, bias), polyRelu([1], weight, bias), relu2(2)]);
    const lines = said.mock.calls
      .map(([text]) => String(text))
      .filter((text) => text.includes('compositions'));
    said.mockRestore();
    expect(lines.length).toBeLessThanOrEqual(1); // 0: the tests above have heard it
    tf.dispose([weight, bias]);
  });

  test('leave no tensor behind', () => {
    const { weight, bias } = polyComCoefficients(3);
    const x = tf.ones([2, 4]);
    const before = tf.memory().numTensors;
    tf.dispose([polyNorm(x, weight, bias), polyRelu(x, weight, bias), relu2(x)]);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([weight, bias, x]);
  });

  test('begin with the coefficients of the paper', () => {
    const { weight, bias } = polyComCoefficients();
    expect(Array.from(weight.dataSync())).toEqual([1 / 3, 1 / 3, 1 / 3].map(Math.fround));
    expect([bias.shape, bias.dataSync()[0]]).toEqual([[], 0]);
    tf.dispose([weight, bias]);
  });

  const w = [1, 1, 1];
  test.each<[string, () => unknown, RegExp]>([
    ['a scalar x', () => polyNorm(1, w, 0), /polyNorm: x is a scalar/],
    [
      'integers',
      () => polyRelu(tf.tensor([1, 2], [2], 'int32'), w, 0),
      /x is int32; expected float32[\s\S]*toFloat/,
    ],
    [
      'complex numbers',
      () => polyRelu(tf.complex([1], [2]), w, 0),
      /is complex64[\s\S]*tf\.real\(x\), or tf\.imag/,
    ],
    [
      'text',
      () => polyNorm(tf.tensor(['a']), w, 0),
      /is string; expected float32[\s\S]*give numbers: x is text$/,
    ],
    ['no weight', () => polyNorm([1], undefined as never, 0), /weight is not a tensor/],
    ['a weight of five', () => polyNorm([1], [1, 1, 1, 1, 1], 0), /weight must be \[order\].*weight \[5\]/],
    ['a weight matrix', () => polyRelu([1], [[1, 1, 1]], 0), /weight \[1, 3\]/],
    ['a bias of two', () => polyNorm([1], w, [0, 0]), /bias must be a scalar/],
    ['a negative epsilon', () => polyNorm([1], w, 0, { epsilon: -1 }), /epsilon is -1/],
    ['an epsilon beyond f32', () => polyNorm([1], w, 0, { epsilon: 1e39 }), /epsilon is 1e\+39/],
    ['a string', () => relu2('x' as never), /x is/],
    ['an order of 5', () => polyComCoefficients(5), /order is 5/],
    ['an order of a half', () => polyComCoefficients(0.5), /order is 0.5/],
  ])('reject %s', (_, run, message) => {
    const before = tf.memory().numTensors;
    expect(run).toThrow(message);
    expect(run).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 2);
  });

  test('reject a disposed tensor', () => {
    const x = tf.ones([2]);
    x.dispose();
    expect(() => relu2(x)).toThrow(/x has been disposed/);
  });
});
