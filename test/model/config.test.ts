import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { PolycomError } from '../../src/common/errors.js';
import { activationNames, isActivationName } from '../../src/model/activation.js';
import { checkConfig } from '../../src/model/check.js';
import type { ModelConfig } from '../../src/model/config.js';
import { configOf, isPresetName, presetNames, presets } from '../../src/model/presets.js';
import { parameterCounts, parameterShapes } from '../../src/model/shapes.js';
import { isGated } from '../../src/op/gated.js';

describe('the paper’s models', () => {
  test('the dense one has 1.345 billion parameters with any activation, and allocates none', () => {
    // By hand: 2 · 32000 · 2048 of the vocabulary, 24 layers of 4 · 2048² + 3 · 2048 · 5504 and two norms, one norm.
    const swiglu = configOf('dense-1.3b', { activation: 'swiglu' });
    expect(parameterCounts(swiglu)).toEqual({ total: 1_345_423_360, active: 1_345_423_360 });
    expect(configOf('dense-1.3b', { activation: 'relu' }).hidden).toBe(8256);
    const polynorm = parameterCounts(configOf('dense-1.3b'));
    expect(polynorm.total).toBe(1_345_423_360 + 24 * 4); // three weights and a bias a layer
    expect(tf.engine().state.numTensors).toBe(0);
  });

  test('the mixture has 6.92 billion, of which a token meets 1.28', () => {
    const swiglu = parameterCounts(configOf('moe-1b-7b', { activation: 'swiglu' }));
    expect(swiglu).toEqual({ total: 6_919_161_856, active: 1_282_017_280 });
    const polynorm = configOf('moe-1b-7b');
    expect(polynorm.hidden).toBe(1536);
    expect(parameterCounts(polynorm)).toEqual({
      total: swiglu.total + 16 * 4,
      active: swiglu.active + 16 * 4,
    });
    expect(tf.engine().state.numTensors).toBe(0);
  });
});

test('GPT-2’s size is 124 million', () => {
  expect(parameterCounts(configOf('gpt2-124m', { activation: 'gelu' })).total / 1e6).toBeCloseTo(124, 0);
});

test.each(presetNames)('%s is sound, and as large with every activation', (preset) => {
  const sizes = activationRows.map(({ name }) => {
    const { total } = parameterCounts(configOf(preset, { activation: name }));
    return total;
  });
  expect(Math.max(...sizes) / Math.min(...sizes)).toBeLessThan(1.001);
});

test('the parameters are named as Hugging Face names them', () => {
  const dense = parameterShapes(configOf('tiny', { activation: 'polynormglu', tied: false, layers: 1 }));
  expect([...dense]).toEqual([
    ['model.embed_tokens.weight', [257, 64]],
    ['model.layers.0.input_layernorm.weight', [64]],
    ['model.layers.0.self_attn.q_proj.weight', [64, 64]],
    ['model.layers.0.self_attn.k_proj.weight', [32, 64]],
    ['model.layers.0.self_attn.v_proj.weight', [32, 64]],
    ['model.layers.0.self_attn.o_proj.weight', [64, 64]],
    ['model.layers.0.post_attention_layernorm.weight', [64]],
    ['model.layers.0.mlp.gate_proj.weight', [128, 64]],
    ['model.layers.0.mlp.up_proj.weight', [128, 64]],
    ['model.layers.0.mlp.down_proj.weight', [64, 128]],
    ['model.layers.0.mlp.activation.weight', [3]],
    ['model.layers.0.mlp.activation.bias', []],
    ['model.norm.weight', [64]],
    ['lm_head.weight', [257, 64]],
  ]);
  const experts = { ...presets['tiny-moe']!.experts!, count: 2, coefficients: 'expert' as const };
  const mixture = parameterShapes(configOf('tiny-moe', { experts, layers: 1, order: 2 }));
  expect([...mixture.keys()].filter((name) => name.includes('.mlp.') || name.includes('_norm'))).toEqual([
    'model.layers.0.self_attn.q_norm.weight',
    'model.layers.0.self_attn.k_norm.weight',
    'model.layers.0.mlp.gate.weight',
    'model.layers.0.mlp.experts.0.up_proj.weight',
    'model.layers.0.mlp.experts.0.down_proj.weight',
    'model.layers.0.mlp.experts.0.activation.weight',
    'model.layers.0.mlp.experts.0.activation.bias',
    'model.layers.0.mlp.experts.1.up_proj.weight',
    'model.layers.0.mlp.experts.1.down_proj.weight',
    'model.layers.0.mlp.experts.1.activation.weight',
    'model.layers.0.mlp.experts.1.activation.bias',
  ]);
  expect(mixture.get('model.layers.0.self_attn.k_norm.weight')).toEqual([32]);
  expect(mixture.get('model.layers.0.mlp.experts.1.activation.weight')).toEqual([2]);
});

test('gated rows are those with a gate', () => {
  expect(activationRows.filter(isGated).map(({ name }) => name)).toContain('swiglu');
  expect(activationRows.filter(isGated).map(({ name }) => name)).not.toContain('silu');
});

describe('a configuration is refused', () => {
  const good = configOf('tiny-moe');
  const { experts } = good;
  const { width: _, ...lacking } = good;
  test.each<[string, unknown, RegExp]>([
    ['that is none', null, /no object/],
    ['without a field', lacking, /width is undefined; expected a whole number, 1 or more/],
    ['with one too many', { ...good, depth: 3 }, /no field depth; expected vocabulary, width/],
    ['with a word for a number', { ...good, layers: '2' }, /layers is "2"; expected a whole number/],
    ['with NaN', { ...good, dropout: Number.NaN }, /dropout is NaN; expected a number from 0/],
    ['with odd heads', { ...good, headWidth: 15 }, /headWidth is 15; expected an even number/],
    [
      'with ungrouped heads',
      { ...good, kvHeads: 3 },
      /kvHeads is 3; expected a divisor of heads, which is 4/,
    ],
    ['of order 5', { ...good, order: 5 }, /order is 5; expected a whole number from 1 to 4/],
    ['with an unknown activation', { ...good, activation: 'tanh' }, /activation is "tanh"; expected one of/],
    ['with more active experts', { ...good, experts: { ...experts, active: 5 } }, /at most experts.count, 4/],
    ['with other sharing', { ...good, experts: { ...experts, coefficients: 'all' } }, /experts.coefficients/],
  ])('%s', (_name, config, message) => {
    expect(() => checkConfig(config as ModelConfig)).toThrow(PolycomError);
    expect(() => checkConfig(config as ModelConfig)).toThrow(message);
  });

  test('by the name of its preset or activation', () => {
    // @ts-expect-error: the compiler knows the presets
    expect(() => configOf('huge')).toThrow(/no preset 'huge'; expected one of tiny/);
    // @ts-expect-error
    expect(() => configOf('toString')).toThrow(/no preset/);
    // @ts-expect-error: and the activations
    expect(() => configOf('tiny', { activation: 'tanh' })).toThrow(/activation is "tanh"/);
  });
});

test('names from outside can be asked for', () => {
  const text: string = 'polynorm';
  if (!isActivationName(text) || !isPresetName('tiny')) throw new Error('unreachable');
  expect(configOf('tiny', { activation: text }).activation).toBe('polynorm');
  expect(activationNames.filter((name) => !isActivationName(name))).toEqual([]);
  expect([...presetNames, 'Tiny', 'toString', 1, null].filter((name) => !isPresetName(name))).toEqual([
    'Tiny',
    'toString',
    1,
    null,
  ]);
  expect(['PolyNorm', '', undefined].filter(isActivationName)).toEqual([]);
});
