import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { syntheticLanguage } from 'polycom/data';
import { configOf, Transformer } from 'polycom/model';
import { beforeAll, describe, expect, test } from 'vitest';
import { measureDynamics } from '../measure/dynamics.js';
import { effectiveRank, singularValues } from '../measure/effective-rank.js';
import { Moments } from '../measure/moments.js';
import { normals } from '../measure/normals.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('the effective rank', () => {
  test('is the number of equal singular values, and between for others', () => {
    expect(effectiveRank([2, 2, 2, 2])).toBeCloseTo(4, 12);
    expect(effectiveRank([5, 0, 0])).toBeCloseTo(1, 12);
    expect(effectiveRank([0, 0])).toBe(0);
    // By hand: p = 3/4 and 1/4, H = 2 ln 2 - (3/4) ln 3.
    expect(effectiveRank([3, 1])).toBeCloseTo(4 / 3 ** 0.75, 12);
  });

  test('is of singular values in f64: those of a product of known ones', async () => {
    // A rotation by 0.3, times a diagonal, times a rotation by 0.7: 3 and 0.001 are its singular values.
    const [c, s, d, e] = [Math.cos(0.3), Math.sin(0.3), Math.cos(0.7), Math.sin(0.7)];
    const [a, b] = [3, 0.001];
    const matrix = [
      c * a * d - s * b * e,
      -c * a * e - s * b * d,
      s * a * d + c * b * e,
      -s * a * e + c * b * d,
    ];
    const found = singularValues(matrix, 2, 2).sort((x, y) => y - x);
    expect(found[0]).toBeCloseTo(a, 12);
    expect(found[1]).toBeCloseTo(b, 12);
  });

  test('is the same of a matrix and its transpose', async () => {
    const [rows, columns] = [7, 3];
    const wide = normals(rows * columns, 1);
    const turned = Float32Array.from(
      { length: wide.length },
      (_, i) => wide[(i % rows) * columns + Math.floor(i / rows)]!,
    );
    const ranks = [singularValues(wide, rows, columns), singularValues(turned, columns, rows)].map(
      effectiveRank,
    );
    expect(ranks[0]).toBeCloseTo(ranks[1]!, 10);
    expect(ranks[0]).toBeLessThan(3);
    expect(ranks[0]).toBeGreaterThan(1);
  });
});

describe('the statistics of values', () => {
  test('are those of a few numbers by hand', () => {
    const moments = new Moments(2);
    moments.add(Float32Array.of(1, 0, 3, 0));
    moments.add(Float32Array.of(-8, 0));
    // mean -2/3; mean of squares 74/6.
    const found = moments.statistics;
    expect(found.mean).toBeCloseTo(-2 / 3, 12);
    expect(found.rms).toBeCloseTo(Math.sqrt(74 / 6), 12);
    const values = [1, 0, 3, 0, -8, 0];
    const central = (p: number) => values.reduce((sum, v) => sum + (v + 2 / 3) ** p, 0) / 6;
    expect(found.kurtosis).toBeCloseTo(central(4) / central(2) ** 2, 10);
    expect(found).toMatchObject({ zeros: 0.5, dead: 0.5, most: 8 });
  });

  test('are near 3 in kurtosis for normal numbers', () => {
    const moments = new Moments(100);
    moments.add(normals(40_000, 5, 2));
    expect(moments.statistics.kurtosis).toBeGreaterThan(2.85);
    expect(moments.statistics.kurtosis).toBeLessThan(3.15);
    expect(moments.statistics.dead).toBe(0);
  });
});

describe('the dynamics of a model', () => {
  const source = syntheticLanguage({ length: 2000, side: 'heldout' });
  const small = { vocabulary: 64, context: 32 };

  test('have its coefficients, ranks, activations and similarities, and leave it as it was', async () => {
    const model = Transformer.create(configOf('tiny', { ...small, activation: 'relu', layers: 3 }), {
      seed: 2,
    });
    const before = tf.memory().numTensors;
    const found = await measureDynamics(model, source, { windows: 4 });
    expect(tf.memory().numTensors).toBe(before + 1); // the model's own zeros, which it keeps
    expect(found.tokens).toBe(4 * 32);
    expect(found.layers).toHaveLength(3);
    for (const { coefficients, effectiveRank: ranks, argument, hidden } of found.layers) {
      expect(coefficients).toEqual({});
      expect(Object.keys(ranks)).toEqual(['up_proj', 'down_proj']);
      for (const { value, most } of Object.values(ranks)) {
        expect(most).toBe(64);
        expect(value).toBeGreaterThan(40);
        expect(value).toBeLessThan(64);
      }
      // About half of what ReLU takes is below 0, and so 0 behind it.
      expect(argument.zeros).toBe(0);
      expect(hidden.zeros).toBeGreaterThan(0.4);
      expect(hidden.zeros).toBeLessThan(0.6);
      expect(argument.most).toBeGreaterThanOrEqual(hidden.most);
    }
    expect(found.similarity).toHaveLength(4);
    for (const [i, row] of found.similarity.entries()) {
      expect(row[i]).toBeCloseTo(1, 10);
      for (const [j, value] of row.entries()) {
        expect(value).toBe(found.similarity[j]![i]);
        expect(Math.abs(value)).toBeLessThanOrEqual(1 + 1e-9);
      }
    }
    // The embedding is most like what is nearest to it.
    expect(found.similarity[0]![1]).toBeGreaterThan(found.similarity[0]![3]!);
    expect(await measureDynamics(model, source, { windows: 4 })).toEqual(found);
    model.dispose();
  });

  test.each(['layer', 'expert'] as const)(
    'are known of a mixture, coefficients of each %s',
    async (coefficients) => {
      const experts = { ...configOf('tiny-moe').experts!, coefficients };
      const model = Transformer.create(configOf('tiny-moe', { ...small, layers: 1, experts }));
      const found = await measureDynamics(model, source, { windows: 2 });
      const names = Object.keys(found.layers[0]!.coefficients);
      expect(names).toHaveLength(coefficients === 'layer' ? 2 : 8);
      expect(found.layers[0]!.coefficients[names[0]!]).toEqual([1, 1, 1].map((one) => Math.fround(one / 3)));
      expect(found.layers[0]!.effectiveRank.up_proj!.value).toBeGreaterThan(1);
      expect(found.layers[0]!.hidden.rms).toBeGreaterThan(0);
      model.dispose();
    },
  );
});

test('what is observed is what the model computes', () => {
  const model = Transformer.create(configOf('tiny', { vocabulary: 64, layers: 2 }));
  const tokens = tf.tensor2d([3, 1, 4, 1, 5, 9], [1, 6], 'int32');
  const seen: [part: string, layer: number, shape: number[]][] = [];
  model.observe(tokens, (part, x, layer) => seen.push([part, layer, x.shape]));
  expect(seen).toEqual([
    ['stream', -1, [6, 64]],
    ['argument', 0, [6, 192]],
    ['hidden', 0, [6, 192]],
    ['stream', 0, [6, 64]],
    ['argument', 1, [6, 192]],
    ['hidden', 1, [6, 192]],
    ['stream', 1, [6, 64]],
  ]);
  const streams: number[][] = [];
  model.observe(tokens, (part, x) => part === 'stream' && streams.push([...x.dataSync()]));
  const table = model.parameters.get('model.embed_tokens.weight')!.dataSync();
  expect(streams[0]!.slice(0, 64)).toEqual([...table.slice(3 * 64, 4 * 64)]);
  const [scale, norm] = [1e-5, model.parameters.get('model.norm.weight')!.dataSync()];
  // The logits are those of the last stream: its norm, by the embedding.
  const last = streams.at(-1)!.slice(5 * 64);
  const root = Math.sqrt(last.reduce((sum, value) => sum + value * value, 0) / 64 + scale);
  const wanted = last.reduce((sum, value, i) => sum + (value / root) * norm[i]! * table[7 * 64 + i]!, 0);
  expect(model.logits(tokens).dataSync()[5 * 64 + 7]).toBeCloseTo(wanted, 5);
  model.dispose();
});
