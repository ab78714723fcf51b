import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { murmurMix, normalGenerator } from '../../src/common/random.js';
import { drop, type ForwardPass } from '../../src/model/forward-pass.js';
import { initialValues } from '../../src/model/parameters.js';
import { configOf } from '../../src/model/presets.js';
import { parameterShapes } from '../../src/model/shapes.js';
import { dropout } from '../../src/transformer-ops/index.js';

test('the numbers are normal', () => {
  const n = 1_000_000;
  const values = new Float32Array(n);
  normalGenerator(1, 2)(values, 3);
  const moment = (power: number) => values.reduce((sum, value) => sum + (value / 3) ** power, 0) / n;
  // Each moment's own deviation over a million draws, times 4.
  expect(Math.abs(moment(1))).toBeLessThan(0.004);
  expect(Math.abs(moment(2) - 1)).toBeLessThan(0.006);
  expect(Math.abs(moment(3))).toBeLessThan(0.016);
  expect(Math.abs(moment(4) - 3)).toBeLessThan(0.04);
  const beyond = values.filter((value) => Math.abs(value) > 6).length / n; // 2 deviations
  expect(Math.abs(beyond - 0.0455)).toBeLessThan(0.001);
  let product = 0;
  for (let i = 0; i + 1 < n; ++i) product += (values[i]! * values[i + 1]!) / 9;
  expect(Math.abs(product / n)).toBeLessThan(0.004);
});

test('seeds and streams are independent, and each repeats itself', () => {
  const drawn = (seed: number, stream: number) => {
    const values = new Float32Array(10_001);
    normalGenerator(seed, stream)(values, 1);
    return values;
  };
  expect(drawn(1, 2)).toEqual(drawn(1, 2));
  const base = drawn(1, 2);
  for (const [seed, stream] of [
    [2, 2],
    [1, 3],
    [2, 1],
    [0, 0],
    [-1, 2],
    [2 ** 32 + 1, 2],
    [2 ** 33 + 1, 2],
    [2 ** 52 + 1, 2],
  ] as const) {
    const other = drawn(seed, stream);
    const correlation = base.reduce((sum, value, i) => sum + value * other[i]!, 0) / base.length;
    expect(Math.abs(correlation)).toBeLessThan(0.05);
  }
});

test('seeds of 32 bits give the numbers that they always gave', () => {
  // As printed before seeds had more bits.
  const known: [number, number[]][] = [
    [1, [2.2801320552825928, 1.6129783391952515, 1.3693909645080566]],
    [2 ** 31 + 7, [-0.8962255120277405, 0.18771937489509583, -0.2284368872642517]],
    [2 ** 32 - 1, [0.12412571161985397, -1.4204357862472534, 0.8455091118812561]],
    [-3, [-0.7033133506774902, -0.20715516805648804, 0.010317111387848854]],
  ];
  for (const [seed, numbers] of known) {
    const values = new Float32Array(3);
    normalGenerator(seed, 2)(values, 1);
    expect(Array.from(values)).toEqual(numbers);
  }
});

test('dropout tells seeds apart by all their bits, and those of 32 bits drop as they always did', () => {
  const config = configOf('tiny', { dropout: 0.5 });
  const x = tf.ones([1000]);
  const dropped = (seed: number) => {
    const pass = { config, drops: { seed, step: 3 } } as unknown as ForwardPass;
    return Array.from(drop(x, 2, pass).dataSync());
  };
  const key = murmurMix(5) ^ murmurMix(Math.imul(3, 0x9e3779b9));
  const expected = dropout(x, tf.tensor1d([key, 3], 'int32'), { rate: 0.5 });
  expect(dropped(5)).toEqual(Array.from(expected.dataSync()));
  const others = [0, 5, 2 ** 32, 5 * 2 ** 32, 2 ** 32 + 5, 2 ** 33 + 5].map((seed) => dropped(seed).join());
  expect(new Set(others).size).toBe(others.length);
});

test('a model begins as its configuration says', () => {
  const config = configOf('small', { activation: 'polynormglu', order: 2, layers: 8, deviation: 0.1 });
  const source = initialValues(config, 5);
  const deviationOf = (name: string, shape: number[]) => {
    const values = source(name, shape);
    return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  };
  expect(deviationOf('model.embed_tokens.weight', [257, 192])).toBeCloseTo(0.1, 2);
  expect(deviationOf('model.layers.1.mlp.gate_proj.weight', [512, 192])).toBeCloseTo(0.1, 2);
  expect(deviationOf('model.layers.1.mlp.down_proj.weight', [192, 512])).toBeCloseTo(0.1 / 4, 3);
  expect(deviationOf('model.layers.7.self_attn.o_proj.weight', [192, 192])).toBeCloseTo(0.1 / 4, 3);
  expect(source('model.layers.0.input_layernorm.weight', [3])).toEqual(Float32Array.of(1, 1, 1));
  expect(source('model.layers.0.mlp.activation.weight', [2])).toEqual(Float32Array.of(0.5, 0.5));
  expect(source('model.layers.0.mlp.activation.bias', [])).toEqual(Float32Array.of(0));
  const q = 'model.layers.0.self_attn.q_proj.weight';
  expect(source(q, [192, 192])).not.toEqual(source('model.layers.0.self_attn.k_proj.weight', [192, 192]));
  expect(source(q, [192, 192])).toEqual(initialValues(config, 5)(q, [192, 192]));
  expect(source(q, [192, 192])).not.toEqual(initialValues(config, 6)(q, [192, 192]));
});

test('models that differ in their activation begin with the same values where their shapes agree', () => {
  const [gated, plain] = (['swiglu', 'polynorm'] as const).map((activation) =>
    configOf('tiny', { activation }),
  );
  const shapes = parameterShapes(plain!);
  const same = [...parameterShapes(gated!)].filter(([name, shape]) => {
    return JSON.stringify(shapes.get(name)) === JSON.stringify(shape);
  });
  expect(same.map(([name]) => name)).toContain('model.layers.1.self_attn.o_proj.weight');
  expect(same.map(([name]) => name)).not.toContain('model.layers.1.mlp.up_proj.weight');
  for (const [name, shape] of same) {
    expect(initialValues(gated!, 3)(name, shape), name).toEqual(initialValues(plain!, 3)(name, shape));
  }
});
