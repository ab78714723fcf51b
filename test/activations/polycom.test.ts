/** PolyCom in general, in one file: every case goes over the one list of its forms, with their references. */
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { polynormRow } from '../../src/activations/polynorm.js';
import { polyreluRow } from '../../src/activations/polyrelu.js';
import {
  type PolyComInner,
  polyCom,
  polyComCoefficients,
  polyNorm,
  polyPRelu,
  polyRelu,
  polyReluNorm,
  relu2,
} from '../../src/index.js';
import { errorOf } from '../../src/op/compare.js';
import { normal } from '../../src/op/sample.js';
import { scalarsOf } from '../../src/op/types.js';
import { type Oracle, polyComReference } from './polycom-reference.js';

// tf's own sums, and the CPU backend's erf, which is one of single precision.
const BOUND = 2e-6;
const WEIGHTS = [0.4, -0.3, 0.7, 0.2];
const COLS = 6;
const ROWS = 5;

/** An op under test: its reference, and itself as a function of [x, weight, bias, slope]. */
interface Subject {
  readonly name: string;
  readonly reference: Oracle;
  readonly run: (inputs: tf.Tensor[]) => tf.Tensor;
  readonly hasSlope: boolean;
}

const names: PolyComInner[] = ['identity', 'relu', 'prelu', 'sigmoid', 'tanh', 'silu', 'gelu', 'rms', 'l2'];
const subjects: Subject[] = [
  ...names.flatMap((inner) =>
    (['I', 'II'] as const).map((type) => ({
      name: `type ${type} of ${inner}`,
      reference: polyComReference(inner, type),
      run: ([x, weight, bias, slope]: tf.Tensor[]) =>
        polyCom(x!, { weight: weight!, bias: bias! }, { inner, type, ...(slope && { slope }) }),
      hasSlope: inner === 'prelu',
    })),
  ),
  {
    name: 'PolyPReLU',
    reference: polyComReference('prelu', 'I'),
    run: ([x, weight, bias, slope]) => polyPRelu(x!, weight!, bias!, slope!),
    hasSlope: true,
  },
  ...(['rms', 'l2'] as const).map((norm) => ({
    name: `PolyReLUNorm by ${norm}`,
    reference: polyComReference(norm, 'relu-ii'),
    run: ([x, weight, bias]: tf.Tensor[]) => polyReluNorm(x!, weight!, bias!, { norm }),
    hasSlope: false,
  })),
];

/** The op's inputs by name, the slope of as many elements as asked. */
function sampleOf({ hasSlope }: Subject, options: { order?: number; scale?: number; slopes?: number } = {}) {
  const { order = 3, scale = 1, slopes = 1 } = options;
  const tensors: Record<string, Float32Array> = {
    x: normal(ROWS * COLS, 11, scale),
    weight: Float32Array.from(WEIGHTS.slice(0, order)),
    bias: Float32Array.of(0.1),
    ...(hasSlope ? { slope: normal(slopes, 12, 0.3) } : {}),
  };
  const wide = Object.fromEntries(Object.entries(tensors).map(([name, v]) => [name, Float64Array.from(v)]));
  const dy = normal(ROWS * COLS, 13);
  return { tensors, given: { cols: COLS, scalars: { epsilon: 1e-6 }, tensors: wide }, dy };
}

const shapes: Record<string, number[]> = { x: [ROWS, COLS], bias: [] };
const slopeShapes: Record<number, number[]> = { 1: [], [COLS]: [COLS], [ROWS * COLS]: [ROWS, COLS] };

function tensorsOf(tensors: Record<string, Float32Array>): tf.Tensor[] {
  return Object.entries(tensors).map(([name, values]) =>
    tf.tensor(values, name === 'slope' ? slopeShapes[values.length]! : (shapes[name] ?? [values.length])),
  );
}

const bits = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());

beforeAll(() => tf.setBackend('cpu'));

describe.each(subjects)('the reference of $name', (subject) => {
  test.each([1, 2, 3, 4])('has the gradients of finite differences, order %i', (order) => {
    const { given, dy } = sampleOf(subject, { order, slopes: COLS });
    const g = Float64Array.from(dy);
    const gradients = subject.reference.backward(given, g);
    const loss = () => subject.reference.forward(given).value.reduce((sum, y, i) => sum + y * g[i]!, 0);
    for (const [i, [name, tensor]] of Object.entries(given.tensors).entries()) {
      for (const [j, value] of tensor.entries()) {
        const step = 1e-5 * Math.max(1, Math.abs(value));
        tensor[j] = value + step;
        const above = loss();
        tensor[j] = value - step;
        const numeric = (above - loss()) / (2 * step);
        tensor[j] = value;
        const { value: formula, terms } = gradients[i]!;
        expect(Math.abs(formula[j]! - numeric), `d${name}[${j}]`).toBeLessThan(1e-7 * (1 + terms[j]!));
      }
    }
  });
});

describe.each(subjects)('$name', (subject) => {
  test.each([
    {},
    { order: 1 },
    { order: 2 },
    { order: 4 },
    { scale: 1e-4 },
    { scale: 30 },
    { slopes: COLS },
    { slopes: ROWS * COLS },
  ])('agrees with its reference, %o', (options) => {
    const { tensors, given, dy } = sampleOf(subject, options);
    const y = subject.reference.forward(given);
    const wanted = subject.reference.backward(given, Float64Array.from(dy));
    tf.tidy(() => {
      const inputs = tensorsOf(tensors);
      const f = (...args: tf.Tensor[]) => subject.run(args);
      expect(errorOf(f(...inputs).dataSync(), y), 'y').toBeLessThan(BOUND);
      const gradients = tf.grads(f)(inputs, tf.tensor(dy, [ROWS, COLS]));
      for (const [i, name] of Object.keys(tensors).entries()) {
        expect(gradients[i]!.shape).toEqual(inputs[i]!.shape);
        expect(errorOf(gradients[i]!.dataSync(), wanted[i]!), `d${name}`).toBeLessThan(BOUND);
      }
    });
  });

  // Where PolyReLU or PolyNorm runs, what their own compositions hold.
  const runsRow = /of relu|rms|l2/.test(subject.name) && subject.name !== 'type II of relu';
  test.each(runsRow ? [0, 1e5, 1e12] : [0, 1e5, 1e12, 1e25, 3.4e38])('gives no NaN at ±%d', (huge) => {
    tf.tidy(() => {
      const { tensors, dy } = sampleOf(subject, { order: 4 });
      dy[1] = 0;
      for (const weight of [
        [0.4, -0.3, 0.7, 0.2],
        [0, 0, 0, 1],
        [0, -3, 0, 0],
      ]) {
        const inputs = tensorsOf({ ...tensors, weight: Float32Array.from(weight) });
        inputs[0] = tf.tensor([huge, -huge, 1, -1, 0, 0, ...new Array(24).fill(0)], [ROWS, COLS]);
        const f = (...args: tf.Tensor[]) => subject.run(args);
        const gradients = tf.grads(f)(inputs, tf.tensor(dy, [ROWS, COLS]));
        for (const [i, tensor] of [f(...inputs), ...gradients].entries())
          expect(
            bits(tensor).some(Number.isNaN),
            `${['y', 'dx', 'dweight', 'dbias', 'dslope'][i]} of ${weight}`,
          ).toBe(false);
      }
    });
  });

  test('takes any shape, and leaves no tensor behind', () => {
    const { tensors, dy } = sampleOf(subject);
    const inputs = tensorsOf(tensors);
    const flat = bits(tf.tidy(() => subject.run(inputs)));
    const before = tf.memory().numTensors;
    const deep = tf.tidy(() => subject.run([tf.reshape(inputs[0]!, [1, ROWS, 1, COLS]), ...inputs.slice(1)]));
    expect(deep.shape).toEqual([1, ROWS, 1, COLS]);
    expect(bits(deep)).toEqual(flat);
    deep.dispose();
    tf.dispose(subject.run(inputs));
    const empty = tf.tidy(() => subject.run([tf.zeros([0, COLS]), ...inputs.slice(1)]));
    expect(empty.shape).toEqual([0, COLS]);
    empty.dispose();
    const g = tf.tensor(dy, [ROWS, COLS]);
    tf.dispose(tf.grads((...args: tf.Tensor[]) => subject.run(args))(inputs, g));
    g.dispose();
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(inputs);
  });

  test('has a second derivative', () => {
    tf.tidy(() => {
      const [x, ...rest] = tensorsOf(sampleOf(subject).tensors);
      const first = (at: tf.Tensor) => tf.sum(tf.grad((z) => subject.run([z, ...rest]))(at));
      const v = tf.tensor(normal(ROWS * COLS, 17), [ROWS, COLS]);
      const slope = bits(tf.sum(tf.mul(tf.grad(first)(x!), v)))[0]!;
      const h = 1e-3;
      const [above, below] = [first(tf.add(x!, tf.mul(v, h))), first(tf.sub(x!, tf.mul(v, h)))];
      const numeric = bits(tf.div(tf.sub(above, below), 2 * h))[0]!;
      expect(Math.abs(slope - numeric)).toBeLessThan(0.02 * (1 + Math.abs(numeric)));
    });
  });
});

describe('PolyCom', () => {
  const x = [-2, -0.5, 0, 0.25, 3, 1.5];
  const positive = x.map((value) => Math.abs(value) + 0.1);
  const given = (row: number[], weight: number[], bias = 0.2) => ({
    cols: row.length,
    scalars: { epsilon: 1e-6 },
    tensors: {
      x: Float64Array.from(row),
      weight: Float64Array.from(weight),
      bias: Float64Array.of(bias),
    },
  });
  const close = (a: Float64Array, b: Float64Array) => {
    for (const [i, value] of a.entries()) expect(value).toBeCloseTo(b[i]!, 12);
  };

  test('of ReLU is the reference of PolyReLU, and of norms of powers that of PolyNorm', () => {
    const dy = Float64Array.from([1, -2, 0.5, 3, 0, 1]);
    for (const [row, mine] of [
      [polyreluRow, polyComReference('relu', 'I')],
      [polynormRow, polyComReference('rms', 'II')],
    ] as const) {
      const inputs = given(x, WEIGHTS);
      const values = Object.fromEntries(
        Object.entries(inputs.tensors).map(([name, of]) => [name, { shape: [of.length], values: of }]),
      );
      close(
        mine.forward(inputs).value,
        row.reference.forward(values, scalarsOf(row, inputs.scalars))[0]!.value,
      );
      const wanted = row.reference.backward(values, [dy], scalarsOf(row, inputs.scalars));
      for (const [i, gradient] of mine.backward(inputs, dy).entries())
        close(gradient.value, wanted[i]!.value);
    }
  });

  test('of either type is one for order 1, and for ReLU and the identity where x is positive', () => {
    for (const inner of names.filter((name) => name !== 'prelu')) {
      const [one, two] = [polyComReference(inner, 'I'), polyComReference(inner, 'II')];
      close(one.forward(given(x, [0.7])).value, two.forward(given(x, [0.7])).value);
    }
    for (const inner of ['relu', 'identity'] as const) {
      const [one, two] = [polyComReference(inner, 'I'), polyComReference(inner, 'II')];
      close(one.forward(given(positive, WEIGHTS)).value, two.forward(given(positive, WEIGHTS)).value);
    }
    // Where it is negative, ReLU(x²) is x², and ReLU(x)² is 0.
    expect(Array.from(polyComReference('relu', 'II').forward(given([-3], [1, 0], 0)).value)).toEqual([9]);
    expect(Array.from(polyComReference('relu', 'I').forward(given([-3], [1, 0], 0)).value)).toEqual([0]);
  });

  test('of the L2 norm is that of the root mean square divided by √cols', () => {
    const row = given([3, 4], [1], 0);
    expect(polyComReference('l2', 'II').forward(row).value[0]).toBeCloseTo(0.6, 6);
    expect(polyComReference('rms', 'II').forward(row).value[0]).toBeCloseTo(0.6 * Math.SQRT2, 6);
  });

  test('with one coefficient of 1 is ReLU, or ReLU²', () => {
    tf.tidy(() => {
      const one = (weight: number[]) =>
        bits(polyCom(x, { weight, bias: 0 }, { inner: 'relu', type: 'I' })).map((y) => y + 0);
      expect(one([0, 0, 1])).toEqual(bits(tf.relu(x)));
      expect(one([0, 1, 0])).toEqual(bits(relu2(x)));
      expect(bits(polyPRelu(x, [0, 0, 1], 0, 0.25))).toEqual(bits(tf.leakyRelu(x, 0.25)));
    });
  });

  test('runs the fused ops where it is one of them', () => {
    tf.tidy(() => {
      const { weight, bias } = polyComCoefficients();
      const t = tf.tensor(x);
      const coefficients = { weight, bias };
      expect(bits(polyCom(t, coefficients, { inner: 'relu', type: 'I' }))).toEqual(
        bits(polyRelu(t, weight, bias)),
      );
      expect(bits(polyCom(t, coefficients, { inner: 'rms', type: 'II', epsilon: 1e-3 }))).toEqual(
        bits(polyNorm(t, weight, bias, { epsilon: 1e-3 })),
      );
      expect(bits(polyReluNorm(t, weight, bias))).toEqual(bits(polyNorm(tf.relu(t), weight, bias)));
    });
  });

  test.each(['I', 'II'] as const)('takes a function for ρ, type %s', (type) => {
    tf.tidy(() => {
      const inputs = [tf.tensor(x), tf.tensor([0.4, -0.3, 0.7]), tf.scalar(0.1)];
      const by =
        (inner: 'tanh' | ((u: tf.Tensor) => tf.Tensor)) => (t: tf.Tensor, w: tf.Tensor, b: tf.Tensor) =>
          polyCom(t, { weight: w, bias: b }, { inner, type });
      const [named, user] = [by('tanh'), by((u) => tf.tanh(u))];
      const wanted = [named(inputs[0]!, inputs[1]!, inputs[2]!), ...tf.grads(named as never)(inputs)];
      const got = [user(inputs[0]!, inputs[1]!, inputs[2]!), ...tf.grads(user as never)(inputs)];
      for (const [i, tensor] of got.entries()) {
        expect(tensor.shape).toEqual(wanted[i]!.shape);
        for (const [j, value] of bits(tensor).entries()) expect(value).toBeCloseTo(bits(wanted[i]!)[j]!, 5);
      }
    });
  });
});

describe('PolyCom rejects', () => {
  const coefficients = { weight: [1, 1, 1], bias: 0 };
  const type = 'I' as const;
  test.each<[string, () => unknown, RegExp]>([
    [
      'an unknown inner',
      () => polyCom([1], coefficients, { inner: 'elu' as never, type }),
      /inner is elu.*relu/,
    ],
    [
      'a name of Object’s',
      () => polyCom([1], coefficients, { inner: 'toString' as never, type }),
      /inner is toString/,
    ],
    ['an unknown type', () => polyCom([1], coefficients, { inner: 'relu', type: 3 as never }), /type is 3/],
    ['no options', () => polyCom([1], coefficients, undefined as never), /options are missing/],
    ['no coefficients', () => polyCom([1], undefined as never, { inner: 'relu', type }), /weight is not/],
    [
      'an order of 5',
      () => polyCom([1], { weight: [1, 1, 1, 1, 1], bias: 0 }, { inner: 'tanh', type }),
      /polyCom: weight must be \[order\]/,
    ],
    ['no slope', () => polyCom([1], coefficients, { inner: 'prelu', type }), /needs a slope/],
    [
      'a slope too many',
      () => polyCom([1], coefficients, { inner: 'relu', type, slope: 0.1 }),
      /'prelu' alone/,
    ],
    ['a slope of another shape', () => polyPRelu([1, 2], [1], 0, [1, 2, 3]), /slope must be.*slope \[3\]/],
    ['a slope of a higher rank', () => polyPRelu([1, 2], [1], 0, [[1, 2]]), /slope \[1, 2\]/],
    ['an integer slope', () => polyPRelu([1], [1], 0, tf.scalar(1, 'int32')), /slope is int32/],
    [
      'a scalar to normalise',
      () => polyCom(1, coefficients, { inner: 'rms', type }),
      /polyCom: x is a scalar/,
    ],
    ['a scalar for PolyReLUNorm', () => polyReluNorm(1, [1], 0), /polyReluNorm: x is a scalar/],
    ['an unknown norm', () => polyReluNorm([1], [1], 0, { norm: 'l1' as never }), /norm is "l1"/],
    ['an epsilon', () => polyCom([1], coefficients, { inner: 'rms', type, epsilon: -1 }), /epsilon is -1/],
    ['PolyReLUNorm’s epsilon', () => polyReluNorm([1], [1], 0, { epsilon: -1 }), /epsilon is -1/],
    [
      'a function of no tensor',
      () => polyCom([1], coefficients, { inner: () => 3 as never, type }),
      /inner returns no tensor/,
    ],
    [
      'a function of another shape',
      () => polyCom([1, 2], coefficients, { inner: (u) => tf.sum(u), type }),
      /shape.*inner \[\]/,
    ],
  ])('%s', (_, run, message) => {
    const before = tf.memory().numTensors;
    expect(run).toThrow(message);
    expect(run).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', name: 'PolycomError' }));
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 2); // what the arguments made
  });
});
