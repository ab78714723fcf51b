import { tensorflowStatus } from '../../src/tensorflow/index.js';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { variants } from '../../src/activations/variants.js';
import { loadCheckpoint } from '../../src/checkpoint/folder.js';
import { PolycomError } from '../../src/common/errors.js';
import { openData } from '../../src/data/open.js';
import { runActivation, runActivationBackward } from '../../src/model/activation.js';
import { checkConfig } from '../../src/model/check.js';
import type { ModelConfig } from '../../src/model/config.js';
import { toHuggingFace } from '../../src/model/huggingface.js';
import { configOf } from '../../src/model/presets.js';
import { parameterCounts } from '../../src/model/shapes.js';
import { Transformer } from '../../src/model/transformer.js';
import { errorOf } from '../../src/op/compare.js';
import { normal } from '../../src/op/sample.js';
import { settingsOf } from '../../src/train/settings.js';
import { Trainer } from '../../src/train/trainer.js';
import { type Oracle, polyComReference } from '../activations/polycom-reference.js';
import { temporaryFolder } from '../checkpoint/folders.js';
import { batchOf, distance, gradientError, normOf } from './support.js';

const hasTensorflow = tensorflowStatus.package !== undefined;
if (!hasTensorflow) console.warn(`only on tfjs cpu: ${tensorflowStatus.missing}`);

beforeAll(async () => {
  await tf.setBackend(hasTensorflow ? 'tensorflow' : 'cpu');
});

/** What each variant is, in f64. */
const ORACLES: Readonly<Record<string, Oracle>> = {
  polyprelu: polyComReference('prelu', 'I'),
  polyleakyrelu: withSlope(0.25, polyComReference('prelu', 'I')),
  polyrelunorm: polyComReference('rms', 'relu-ii'),
  polyreluii: polyComReference('relu', 'II'),
  polypreluii: polyComReference('prelu', 'II'),
  polynormi: polyComReference('rms', 'I'),
  polysigmoid: polyComReference('sigmoid', 'I'),
  polytanh: polyComReference('tanh', 'I'),
  polysilu: polyComReference('silu', 'I'),
  polygelu: polyComReference('gelu', 'I'),
  relu3: fixed([1, 0, 0], polyComReference('relu', 'I')),
  leakyrelu: withSlope(0.01, fixed([1], polyComReference('prelu', 'I'))),
  prelu: fixed([1], polyComReference('prelu', 'I')),
};

/** A reference with a slope that is no input. */
function withSlope(slope: number, of: Oracle): Oracle {
  const more = (inputs: Parameters<Oracle['forward']>[0]) => ({
    ...inputs,
    tensors: { ...inputs.tensors, slope: Float64Array.of(slope) },
  });
  return {
    forward: (inputs) => of.forward(more(inputs)),
    backward: (inputs, dy) => of.backward(more(inputs), dy).slice(0, -1),
  };
}

/** A reference with weights, and no bias, that are no inputs. */
function fixed(weight: number[], of: Oracle): Oracle {
  const more = (inputs: Parameters<Oracle['forward']>[0]) => ({
    ...inputs,
    tensors: { ...inputs.tensors, weight: Float64Array.from(weight), bias: Float64Array.of(0) },
  });
  return {
    forward: (inputs) => of.forward(more(inputs)),
    backward: (inputs, dy) => {
      const [dx, , , ...rest] = of.backward(more(inputs), dy);
      return [dx!, ...rest];
    },
  };
}

describe.each(variants)('$name', ({ name, inputs, scalars }) => {
  test('is its formula, and so are its gradients', () => {
    const [rows, cols] = [5, 6];
    const values: Record<string, Float32Array> = {
      x: normal(rows * cols, 3, 1.3),
      weight: Float32Array.of(0.4, -0.3, 0.7),
      bias: Float32Array.of(0.1),
      slope: Float32Array.of(0.3),
    };
    const shapes: Record<string, number[]> = { x: [rows, cols], weight: [3], bias: [], slope: [] };
    const given = inputs.map((input) => [input, Float64Array.from(values[input]!)] as const);
    const wanted = { cols, scalars: { epsilon: 1e-6 }, tensors: Object.fromEntries(given) };
    const tensors = inputs.map((input) => tf.tensor(values[input]!, shapes[input]!));
    const config = configOf('tiny', { activation: name });
    const y = runActivation(config, tensors);
    expect(errorOf(y.dataSync(), ORACLES[name]!.forward(wanted))).toBeLessThan(2e-6);
    const dy = normal(rows * cols, 4);
    const gradients = runActivationBackward(config, tensors, tf.tensor(dy, [rows, cols]));
    const right = ORACLES[name]!.backward(wanted, Float64Array.from(dy));
    expect(gradients).toHaveLength(right.length);
    for (const [i, gradient] of gradients.entries()) {
      expect(gradient.shape).toEqual(tensors[i]!.shape);
      expect(errorOf(gradient.dataSync(), right[i]!), inputs[i]!).toBeLessThan(2e-6);
    }
    tf.dispose([...tensors, y, ...gradients]);
  });

  test('has the same gradients however they are computed, and leaves nothing', () => {
    const before = tf.memory().numTensors;
    const more = 'norm' in scalars ? { activationOptions: { norm: 'l2', epsilon: 1e-5 } as const } : {};
    const model = Transformer.create(configOf('tiny', { activation: name, layers: 1, ...more }), { seed: 1 });
    const words = batchOf(model.config, 2, 9);
    const tape = model.gradients(...words, { memory: 'tape' });
    const all = normOf(tape.gradients);
    const ways = [{ memory: 'checkpoint' }, { recompute: false }, { recompute: true }] as const;
    for (const way of ways) {
      const other = model.gradients(...words, way);
      expect(other.loss.dataSync()[0]).toBeCloseTo(tape.loss.dataSync()[0]!, 5);
      for (const [key, gradient] of other.gradients) {
        const wanted = tape.gradients.get(key)!.dataSync();
        expect(gradientError(key, gradient.dataSync(), wanted, all), key).toBeLessThan(1e-5);
      }
      tf.dispose([other.loss, other.crossEntropy, ...other.gradients.values()]);
    }
    tf.dispose([...words, tape.loss, tape.crossEntropy, ...tape.gradients.values()]);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('variants have names of their own, and as many parameters', () => {
  const names = [...activationRows, ...variants].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const sizes = variants.map(({ name }) => parameterCounts(configOf('tiny', { activation: name })).total);
  const swiglu = parameterCounts(configOf('tiny', { activation: 'swiglu' })).total;
  for (const size of sizes) expect(Math.abs(size / swiglu - 1)).toBeLessThan(1e-3);
});

test('a mixture of experts has them too', () => {
  const experts = { ...configOf('tiny-moe').experts!, coefficients: 'expert' } as const;
  const model = Transformer.create(configOf('tiny-moe', { activation: 'polyprelu', layers: 1, experts }));
  expect(model.parameters.get('model.layers.0.mlp.experts.3.activation.slope')!.dataSync()[0]).toBe(0.25);
  const words = batchOf(model.config, 1, 8);
  const [tape, hand] = (['tape', 'block'] as const).map((memory) => model.gradients(...words, { memory }));
  for (const [key, gradient] of hand!.gradients) {
    const wanted = tape!.gradients.get(key)!.dataSync();
    if (wanted.some((value) => value !== 0)) {
      expect(distance(gradient.dataSync(), wanted), key).toBeLessThan(1e-5);
    }
  }
  model.dispose();
});

describe('the options', () => {
  test('say what training begins with', () => {
    const init = [0.5, -1, 2];
    const model = Transformer.create(configOf('tiny', { activationOptions: { init } }));
    const weight = model.parameters.get('model.layers.1.mlp.activation.weight')!;
    expect([...weight.dataSync()]).toEqual(init);
    const paper = Transformer.create(configOf('tiny', { activationOptions: { init: 'paper' } }));
    const third = paper.parameters.get('model.layers.1.mlp.activation.weight')!;
    expect(third.dataSync()[0]).toBeCloseTo(1 / 3, 6);
    model.dispose();
    paper.dispose();
  });

  test.each(['polynorm', 'polynormglu', 'polyrelunorm', 'polynormi'] as const)(
    'reach %s, forward and backward',
    (activation) => {
      const words = batchOf(configOf('tiny'), 1, 8);
      const run = (activationOptions: ModelConfig['activationOptions']) => {
        const model = Transformer.create(configOf('tiny', { activation, layers: 1, activationOptions }));
        const { loss, gradients } = model.gradients(...words);
        const name = `model.layers.0.mlp.${activation === 'polynormglu' ? 'gate' : 'up'}_proj.weight`;
        const found = { loss: loss.dataSync()[0]!, gradient: gradients.get(name)!.dataSync() };
        model.dispose();
        return found;
      };
      const plain = run(undefined);
      expect(run({ epsilon: 1e-6, norm: 'rms' })).toEqual(plain);
      for (const other of [run({ norm: 'l2' }), run({ epsilon: 10 })]) {
        expect(Math.abs(other.loss - plain.loss)).toBeGreaterThan(1e-6);
        expect(distance(other.gradient, plain.gradient)).toBeGreaterThan(0.01);
      }
    },
  );

  test.each<[Partial<ModelConfig>, RegExp]>([
    [
      { activation: 'relu', activationOptions: { epsilon: 0 } },
      /epsilon is 0; expected none with relu, or nothing/,
    ],
    [
      { activation: 'polyrelu', activationOptions: { norm: 'l2' } },
      /norm is "l2"; expected none with polyrelu, or nothing/,
    ],
    [
      { activation: 'gelu', activationOptions: { init: [1, 1, 1] } },
      /init is given; expected none with gelu/,
    ],
    [{ activationOptions: { init: [1, 1] } }, /init has 2 weights; expected order, which is 3/],
    [{ activationOptions: { norm: 'max' as 'l2' } }, /norm is "max"; expected 'rms' or 'l2', or nothing/],
    [
      { activationOptions: { epsilon: -1 } },
      /epsilon is -1; expected a finite number, 0 or more, or nothing/,
    ],
    [
      { activationOptions: { init: [1, Number.NaN, 1] } },
      /init is \[1,NaN,1\]; expected 'paper', or an array/,
    ],
    [{ activationOptions: { slope: 1 } }, /no field activationOptions.slope; expected epsilon, norm/],
  ])('are refused: %o', (overrides, message) => {
    const make = () => checkConfig({ ...configOf('tiny'), ...overrides });
    expect(make).toThrow(PolycomError);
    expect(make).toThrow(message);
  });

  test('stay with a checkpoint, without which it does not go on', async () => {
    const data = await openData('synthetic', { synthetic: { length: 4096 } });
    const folder = temporaryFolder();
    const settings = settingsOf({ steps: 2, batch: 1, time: 8 }, 128);
    const activationOptions = { norm: 'l2', init: [0.1, 0.2, 0.7] } as const;
    const config = configOf('tiny', { layers: 1, vocabulary: 64, activationOptions });
    const trainer = Trainer.create(config, data, settings);
    await trainer.next();
    await trainer.save(folder);
    trainer.dispose();
    const checkpoint = await loadCheckpoint(folder);
    expect(checkpoint.config).toEqual(config);
    Trainer.restore(checkpoint, config, data, settings).dispose();
    const { activationOptions: _, ...plain } = config;
    expect(() => Trainer.restore(checkpoint, plain, data, settings)).toThrow(/activationOptions.* is /);
  });
});

test.each<[Partial<ModelConfig>, RegExp]>([[{ activation: 'polyprelu' }, /no activation polyprelu/]])(
  "Hugging Face's form is refused: %o",
  (overrides, message) => {
    expect(() => toHuggingFace(configOf('tiny', overrides))).toThrow(message);
  },
);
