import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  polyNormGlu,
  powLu,
  referenceOf,
  relu2,
  situGlu,
  swiGlu,
  xielu,
  xieluParameters,
} from '../../src/index.js';
import { normal } from '../../src/op/sample.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** y, dgate and dup of one pair, for a gradient of 1. */
function pair(name: string, gate: number, up: number, scalars: Readonly<Record<string, number>>) {
  const { forward, backward } = referenceOf(name, scalars);
  const tensors = { gate: Float64Array.of(gate), up: Float64Array.of(up) };
  const { gate: dgate, up: dup } = backward(tensors, 1, Float64Array.of(1));
  return { y: forward(tensors, 1)[0]!, dgate: dgate![0]!, dup: dup![0]! };
}

/** y and dx of one number, for a gradient of 1. */
function single(name: string, x: number, parameters: Readonly<Record<string, number>> = {}) {
  const { forward, backward } = referenceOf(name);
  const learned = Object.entries(parameters).map(([key, value]) => [key, Float64Array.of(value)] as const);
  const tensors = { x: Float64Array.of(x), ...Object.fromEntries(learned) };
  return { y: forward(tensors, 1)[0]!, dx: backward(tensors, 1, Float64Array.of(1)).x![0]! };
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe('SwiGLU with a limit', () => {
  const gptOss = { limit: 7, alpha: 1.702, shift: 1 };

  test('is gpt-oss’s with its numbers', () => {
    expect(pair('swiglu', 2, -0.5, gptOss).y).toBeCloseTo(2 * sigmoid(3.404) * 0.5, 14);
    expect(pair('swiglu', 9, -8, gptOss).y).toBeCloseTo(7 * sigmoid(7 * 1.702) * -6, 13);
    expect(pair('swiglu', -9, 8, gptOss).y).toBeCloseTo(-9 * sigmoid(-9 * 1.702) * 8, 14);
  });

  test('has gradients at the limit, and none beyond it, as torch.clamp', () => {
    expect(pair('swiglu', 7, 7, gptOss).dgate).not.toBe(0);
    expect(pair('swiglu', 7, 7, gptOss).dup).not.toBe(0);
    expect(pair('swiglu', 7, -7, gptOss).dup).not.toBe(0);
    expect(pair('swiglu', 7.001, 7, gptOss).dgate).toBe(0);
    expect(pair('swiglu', 7, 7.001, gptOss).dup).toBe(0);
    expect(pair('swiglu', 7, -7.001, gptOss).dup).toBe(0);
    expect(pair('swiglu', -70, 1, gptOss).dgate).not.toBe(0); // the gate has an upper limit alone
  });

  test('lets NaN through, in y and in the gradients', () => {
    const odd = pair('swiglu', Number.NaN, 1, gptOss);
    expect([odd.y, odd.dgate, odd.dup]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(pair('swiglu', 1, Number.NaN, gptOss).y).toBeNaN();
  });

  test('after SiLU limits what SiLU gives', () => {
    const step = { limit: 7, clamp: 1 };
    expect(pair('swiglu', 7.001, 2, step).y).toBeCloseTo(7.001 * sigmoid(7.001) * 2, 12);
    expect(pair('swiglu', 20, 9, step)).toEqual({ y: 49, dgate: 0, dup: 0 });
  });

  test('of the options of the function, and without them, is SiLU(gate) · up', () => {
    const [gate, up] = [tf.tensor1d([-3, 0.5, 12]), tf.tensor1d([2, -30, 4])];
    const expected = (scalars: Readonly<Record<string, number>>) =>
      [...gate.dataSync()].map((g, i) => pair('swiglu', g, up.dataSync()[i]!, scalars).y);
    for (const [options, scalars] of [
      [{}, {}],
      [gptOss, gptOss],
      [{ limit: 10 }, { limit: 10 }],
      [
        { limit: 7, clamp: 'silu' },
        { limit: 7, clamp: 1 },
      ],
    ] as const) {
      const y = [...swiGlu({ gate, up }, options).dataSync()];
      for (const [i, value] of expected(scalars).entries()) expect(y[i]).toBeCloseTo(value, 4);
    }
  });

  test.each([
    [{ limit: -1 }, /limit is -1; expected a finite number, 0 or more/],
    [{ alpha: Number.NaN }, /alpha is NaN; expected a finite number/],
    [{ shift: 1e39 }, /shift is 1e\+39; expected a finite number/],
    [{ clamp: 'up' as 'gate' }, /clamp is "up"; expected 'gate' or 'silu'/],
    [{ limits: 7 } as object, /no option limits; expected limit, alpha, shift, clamp/],
  ])('refuses %o', (options, message) => {
    expect(() => swiGlu(tf.zeros([2, 4]), options)).toThrow(message);
  });
});

describe('SiTU-GLU', () => {
  test('nears β and λ, and is SiLU(gate) · up where both are far', () => {
    expect(pair('situglu', 1e4, 1e4, {}).y).toBeCloseTo(100, 10);
    expect(pair('situglu', 1e4, -1e4, { beta: 2, linear: 3 }).y).toBeCloseTo(-6, 10);
    expect(pair('situglu', 0.7, -0.2, { beta: 1e6, linear: 1e6 }).y).toBeCloseTo(
      0.7 * sigmoid(0.7) * -0.2,
      10,
    );
  });

  test('has no digit of a tail lost in its gradient', () => {
    const { dgate } = pair('situglu', 100, 1, { beta: 4, linear: 1e6 });
    expect(dgate / (4 * Math.exp(-50))).toBeCloseTo(1, 9);
  });

  test('refuses limits that are none', () => {
    expect(() => situGlu(tf.zeros([2, 4]), { beta: 0 })).toThrow(
      /beta is 0; expected a number from 0.000001 to 1000000/,
    );
  });
});

describe('PowLU', () => {
  test('is x^(m / (√x + 1)) σ(x) above 0, and SiLU below', () => {
    expect(pair('powlu', 4, 1, {}).y).toBeCloseTo(4 * sigmoid(4), 14);
    expect(pair('powlu', 9, 2, { exponent: 2 }).y).toBeCloseTo(3 * sigmoid(9) * 2, 13);
    expect(pair('powlu', -3, 1, {}).y).toBeCloseTo(-3 * sigmoid(-3), 14);
  });

  test('fades to 0 with its gradient from above, and nears 1 far out', () => {
    for (const gate of [1e-3, 1e-12, 1e-30, 1e-300, Number.MIN_VALUE]) {
      const { y, dgate } = pair('powlu', gate, 1, {});
      expect(y).toBeGreaterThanOrEqual(0);
      expect(dgate).toBeGreaterThanOrEqual(0);
      expect(dgate).toBeLessThan(10 * gate ** 2 + 1e-300);
    }
    expect(pair('powlu', 0, 1, {})).toEqual({ y: 0, dgate: 0.5, dup: 0 });
    expect(pair('powlu', Number.POSITIVE_INFINITY, 1, {}).y).toBe(1);
  });

  test('composed of tf ops has no NaN at 0 and beside it', () => {
    const gate = tf.tensor1d([0, 1e-38, 1e-30, 1e-12, -1e-38, 3e38]);
    const grads = tf.grads((g, u) => powLu({ gate: g!, up: u! }));
    for (const gradient of grads([gate, tf.onesLike(gate)])) {
      expect([...gradient.dataSync()].every(Number.isFinite)).toBe(true);
    }
  });

  test('refuses an exponent that is not from 1 to 10', () => {
    expect(() => powLu(tf.zeros([2, 4]), { exponent: 0.5 })).toThrow(
      /exponent is 0.5; expected a number from 1 to 10/,
    );
  });
});

describe('xIELU', () => {
  const learned = { alpha_p: 0.3, alpha_n: -0.7 };

  test('begins with α of 0.8 on both sides', () => {
    const { alphaP, alphaN } = xieluParameters();
    const softplus = (p: number): number => Math.log1p(Math.exp(p));
    expect(softplus(alphaP.dataSync()[0]!)).toBeCloseTo(0.8, 6);
    expect(0.5 + softplus(alphaN.dataSync()[0]!)).toBeCloseTo(0.8, 6);
    const y = xielu(tf.tensor1d([2, -1]), alphaP, alphaN).dataSync();
    expect(y[0]).toBeCloseTo(0.8 * 4 + 0.5 * 2, 5);
    expect(y[1]).toBeCloseTo(0.8 * (Math.expm1(-1) + 1) - 0.5, 5);
  });

  test('has the slope β at 0, from both sides', () => {
    for (const x of [0, 1e-9, -1e-9, -1e-6]) expect(single('xielu', x, learned).dx).toBeCloseTo(0.5, 5);
    const grad = tf.grad((x) => xielu(x, 0.3, -0.7));
    expect(grad(tf.tensor1d([0, -1e-7])).dataSync()[0]).toBeCloseTo(0.5, 5);
  });

  test('overflows only where y does', () => {
    expect(single('xielu', -3e38, learned).y).toBeLessThan(3e38);
    expect(single('xielu', Number.NEGATIVE_INFINITY, learned).y).toBe(Number.POSITIVE_INFINITY);
  });

  test('refuses parameters of another shape', () => {
    expect(() => xielu(tf.zeros([3]), [0, 1], 0)).toThrow(/alphaP must be a scalar/);
    expect(() => xielu(tf.zeros([3]), 0, 0, { beta: Number.POSITIVE_INFINITY })).toThrow(/beta is Infinity/);
  });
});

describe('squared ReLU with a soft cap', () => {
  test('nears the square of the cap, and is ReLU² far below it', () => {
    const [y, near] = relu2(tf.tensor1d([1e6, 0.01]), { softcap: 20 }).dataSync();
    expect(y).toBeCloseTo(400, 3);
    expect(near).toBeCloseTo(1e-4, 9);
    expect(() => relu2(tf.zeros([2]), { softcap: -1 })).toThrow(/softcap is -1; expected a number from 0/);
  });
});

// The gated PolyNorm of swiss-ai's Megatron-LM: (|a_1| n(x) + |a_2| n(x²)) · up.
test('PNGLU is PolyNormGLU of order 2, with the magnitudes for its weight and without bias', () => {
  const [rows, cols] = [3, 9];
  const [gate, up] = [5, 6].map((seed) => tf.tensor2d(normal(rows * cols, seed), [rows, cols]));
  const a = [-0.4, 0.9]; // a_1, a_2
  const magnitudes = a.map(Math.abs);
  const normalised = (x: tf.Tensor): tf.Tensor =>
    tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6)));
  const expected = tf.mul(
    tf.add(tf.mul(normalised(gate!), magnitudes[0]!), tf.mul(normalised(tf.square(gate!)), magnitudes[1]!)),
    up!,
  );
  const y = polyNormGlu({ gate: gate!, up: up! }, [...magnitudes].reverse(), 0);
  for (const [i, value] of expected.dataSync().entries()) expect(y.dataSync()[i]).toBeCloseTo(value, 5);
});
