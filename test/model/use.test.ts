import { tensorflowStatus } from '../../src/tensorflow/index.js';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { PolycomError } from '../../src/common/errors.js';
import type { KeyValueCache } from '../../src/model/forward-pass.js';
import { configOf } from '../../src/model/presets.js';
import { parameterShapes } from '../../src/model/shapes.js';
import { Transformer } from '../../src/model/transformer.js';
import { batchOf, distance, gradientError, normOf } from './support.js';

const hasTensorflow = tensorflowStatus.package !== undefined;
if (!hasTensorflow) console.warn(`only on tfjs cpu: ${tensorflowStatus.missing}`);

beforeAll(async () => {
  await tf.setBackend(hasTensorflow ? 'tensorflow' : 'cpu');
});

test('the parameters have the promised names, shapes and seeds, each its own memory', () => {
  const config = configOf('tiny-moe');
  const [model, same, other] = [4, 4, 5].map((seed) => Transformer.create(config, { seed }));
  const shapes = [...model!.parameters].map(([name, { shape }]) => [name, shape]);
  expect(shapes).toEqual([...parameterShapes(config)]);
  expect(new Set([...model!.parameters.values()].map(({ dataId }) => dataId)).size).toBe(shapes.length);
  const values = (of: Transformer) => of.parameters.get('model.layers.1.self_attn.q_proj.weight')!.dataSync();
  expect(values(same!)).toEqual(values(model!));
  expect(values(other!)).not.toEqual(values(model!));
  for (const each of [model, same, other]) each!.dispose();
});

test('values of the wrong number make no model and leave no tensor', () => {
  const before = tf.memory().numTensors;
  const config = configOf('tiny');
  const source = (name: string, shape: readonly number[]) =>
    new Float32Array(shape.reduce((a, b) => a * b, 1) + (name === 'model.norm.weight' ? 1 : 0));
  expect(() => Transformer.from(config, source)).toThrow(PolycomError);
  expect(() => Transformer.from(config, source)).toThrow(/model.norm.weight got 65 values; expected 64/);
  expect(tf.memory().numTensors).toBe(before);
});

test('bad tokens and targets are refused by name', () => {
  const model = Transformer.create(configOf('tiny'));
  const words = (shape: number[], dtype: 'int32' | 'float32' = 'int32') =>
    tf.zeros<tf.Rank>(shape as [number, number], dtype) as tf.Tensor2D;
  expect(() => model.logits(words([1, 4], 'float32'))).toThrow(/tokens are float32; expected int32/);
  expect(() => model.logits(words([4]))).toThrow(/tokens must be \[sequences, tokens\]/);
  expect(() => model.logits(words([0, 4]))).toThrow(/of one or more/);
  expect(() => model.logits(words([1, 129]))).toThrow(/have 129 tokens; expected at most the context, 128/);
  expect(() => model.loss(words([1, 4]), words([1, 5]))).toThrow(/targets must have the shape of the tokens/);
  expect(() => model.gradients(words([1, 4]), words([1, 4], 'float32'))).toThrow(/targets are float32/);
  model.dispose();
});

describe('every activation', () => {
  test.each(activationRows)('$name has the same gradients by hand as by the tape', ({ name }) => {
    const model = Transformer.create(configOf('tiny', { activation: name, layers: 1 }));
    const words = batchOf(model.config, 2, 9);
    const tape = model.gradients(...words, { memory: 'tape' });
    for (const recompute of [false, true]) {
      const hand = model.gradients(...words, { recompute });
      expect(hand.loss.dataSync()[0]).toBeCloseTo(tape.loss.dataSync()[0]!, 5);
      for (const [key, gradient] of hand.gradients) {
        expect(distance(gradient.dataSync(), tape.gradients.get(key)!.dataSync()), key).toBeLessThan(1e-5);
      }
    }
    model.dispose();
  });
});

test.each(['tiny', 'tiny-moe'] as const)('the loss is tfjs’s to differentiate: %s', (preset) => {
  const model = Transformer.create(configOf(preset));
  const words = batchOf(model.config, 2, 9);
  const variables = [...model.parameters.values()];
  const own = model.gradients(...words);
  const all = 3 * normOf(own.gradients);
  for (const memory of ['tape', 'checkpoint', 'block'] as const) {
    const { grads } = tf.variableGrads(
      () => tf.mul(model.loss(...words, { memory }).loss, 3) as tf.Scalar,
      variables,
    );
    for (const [name, variable] of model.parameters) {
      const wanted = own.gradients.get(name)!.mul(3).dataSync();
      const got = grads[variable.name]!;
      if (wanted.some((value) => value !== 0))
        expect(gradientError(name, got.dataSync(), wanted, all), name).toBeLessThan(1e-5);
    }
  }
  model.dispose();
});

test('a target of -1 adds nothing', () => {
  const model = Transformer.create(configOf('tiny'));
  const [tokens, targets] = batchOf(model.config, 1, 8);
  const values = targets.dataSync();
  const losses = [...values.keys()].map((kept) => {
    const only = tf.tensor2d(
      values.map((value, i) => (i === kept ? value : -1)),
      [1, 8],
      'int32',
    );
    return model.loss(tokens, only).loss.dataSync()[0]!;
  });
  const all = model.loss(tokens, targets).loss.dataSync()[0]!;
  expect(losses.reduce((sum, loss) => sum + loss, 0)).toBeCloseTo(all, 5);
  model.dispose();
});

/** A cache that holds all keys and values in tensors as long as they are: what the seam asks for, no more. */
class PlainCache implements KeyValueCache {
  readonly #layers = new Map<number, { k: tf.Tensor4D; v: tf.Tensor4D }>();
  readonly capacity = 12;
  start: tf.Tensor1D;

  constructor(batch: number) {
    this.start = tf.zeros([batch], 'int32');
  }

  extend(layer: number, k: tf.Tensor4D, v: tf.Tensor4D): { k: tf.Tensor4D; v: tf.Tensor4D } {
    const before = this.#layers.get(layer);
    const joined =
      before === undefined ? { k, v } : { k: tf.concat([before.k, k], 1), v: tf.concat([before.v, v], 1) };
    const kept = { k: tf.keep(joined.k.clone()), v: tf.keep(joined.v.clone()) };
    this.#layers.set(layer, kept);
    return kept;
  }

  advance(time: number): void {
    this.start = tf.add(this.start, tf.scalar(time, 'int32'));
  }
}

test.each(['tiny', 'tiny-moe'] as const)('logits through a cache are those without one: %s', (preset) => {
  const model = Transformer.create(configOf(preset), { seed: 2 });
  const [tokens] = batchOf(model.config, 2, 12);
  const whole = model.logits(tokens);
  const cache = new PlainCache(2);
  let from = 0;
  for (const time of [5, 1, 1, 4, 1]) {
    const logits = model.logits(tf.slice(tokens, [0, from], [2, time]), cache);
    const wanted = tf.slice(whole, [0, from, 0], [2, time, -1]);
    expect(distance(logits.dataSync(), wanted.dataSync())).toBeLessThan(1e-5);
    cache.advance(time);
    from += time;
  }
  model.dispose();
});

describe.each([
  { count: 4, active: 2 },
  { count: 4, active: 1 },
  { count: 1, active: 1 },
])('a mixture of %o and a single token', (sizes) => {
  test.each(['layer', 'expert'] as const)(
    'trains its busy experts alone: coefficients of each %s',
    (coefficients) => {
      const { experts } = configOf('tiny-moe');
      const config = configOf('tiny-moe', { layers: 1, experts: { ...experts!, ...sizes, coefficients } });
      const model = Transformer.create(config);
      const words = batchOf(config, 1, 1);
      const ways = (['tape', 'checkpoint', 'block'] as const).map((memory) =>
        model.gradients(...words, { memory }),
      );
      for (const { gradients } of ways) {
        const still = [...gradients].filter(([, gradient]) =>
          gradient.dataSync().every((value) => value === 0),
        );
        const matrices = still.filter(([name]) => name.endsWith('up_proj.weight'));
        expect(matrices).toHaveLength(sizes.count - sizes.active);
        for (const [name, gradient] of gradients) {
          const wanted = ways[0]!.gradients.get(name)!.dataSync();
          const close = [...gradient.dataSync()].every((value, i) => Math.abs(value - wanted[i]!) < 1e-6);
          expect(close, name).toBe(true);
        }
      }
      model.dispose();
    },
  );
});
