import { tensorflowStatus } from '../../src/tensorflow/index.js';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { unfused } from '../../src/index.js';
import { measurePeak } from '../../src/model/peak.js';
import { configOf } from '../../src/model/presets.js';
import { type LossOptions, Transformer } from '../../src/model/transformer.js';
import { normal } from '../../src/op/sample.js';
import { batchOf, distance, MODELS, modelOf } from './support.js';

const WAYS: LossOptions[] = [
  { memory: 'tape' },
  { memory: 'checkpoint' },
  { memory: 'block' },
  { memory: 'block', recompute: true },
];

const hasTensorflow = tensorflowStatus.package !== undefined;
if (!hasTensorflow)
  console.warn(`on tfjs cpu, skipped: peak memory, for which it is too slow: ${tensorflowStatus.missing}`);
if (!tensorflowStatus.fused) console.warn(`skipped: uploads of fused ops: ${tensorflowStatus.missing}`);

beforeAll(async () => {
  await tf.setBackend(hasTensorflow ? 'tensorflow' : 'cpu');
});

/** Loss and gradients as numbers; no tensor is left. */
function stepOf(model: Transformer, words: [tf.Tensor2D, tf.Tensor2D], options: LossOptions) {
  return tf.tidy(() => {
    const { loss, gradients } = model.gradients(...words, options);
    const values = [...gradients].map(([name, gradient]) => [name, gradient.dataSync()] as const);
    tf.dispose([...gradients.values()]);
    return { loss: loss.dataSync()[0]!, gradients: new Map(values) } as never;
  }) as unknown as { loss: number; gradients: Map<string, Float32Array> };
}

describe('dropout', () => {
  test.each(['tiny', 'tiny-moe'] as const)(
    'drops the same however the gradients are computed: %s',
    (preset) => {
      const model = Transformer.create(configOf(preset, { dropout: 0.2, layers: 2 }), { seed: 3 });
      const words = batchOf(model.config, 2, 12);
      const [tape, ...others] = WAYS.map((way) => stepOf(model, words, { ...way, step: 7 }));
      for (const other of others) {
        expect(other.loss).toBeCloseTo(tape!.loss, 5);
        for (const [name, gradient] of other.gradients) {
          expect(distance(gradient, tape!.gradients.get(name)!), name).toBeLessThan(1e-5);
        }
      }
      const losses = [undefined, 7, 8]
        .map((step) => stepOf(model, words, step === undefined ? {} : { step }))
        .map(({ loss }) => loss);
      expect(losses[1]).toBe(others[1]!.loss); // the same step again
      expect(new Set(losses).size).toBe(3);
      tf.dispose(words);
      model.dispose();
    },
  );
});

describe('a step', () => {
  test.each(WAYS)('leaves nothing: %o', (options) => {
    for (const preset of ['tiny', 'tiny-moe'] as const) {
      const model = Transformer.create(configOf(preset));
      const words = batchOf(model.config, 2, 8);
      const memories = Array.from({ length: 3 }, () => {
        stepOf(model, words, options);
        const { numTensors, numBytes, numDataBuffers } = tf.memory();
        return { numTensors, numBytes, numDataBuffers };
      });
      for (const memory of memories) expect(memory).toEqual(memories[0]);
      tf.dispose(words);
      model.dispose();
    }
  });

  test('leaves nothing of the model when that is disposed of', () => {
    const before = tf.memory().numTensors;
    const model = Transformer.create(configOf('tiny-moe', { dropout: 0.1 }));
    const words = batchOf(model.config, 2, 16);
    stepOf(model, words, { step: 1 });
    tf.dispose([...words, model.logits(words[0])]);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test.skipIf(!tensorflowStatus.fused).each(WAYS)(
    'uploads neither ones nor zeros of the size of anything: %o',
    (options) => {
      for (const preset of ['tiny', 'tiny-moe'] as const) {
        const model = Transformer.create(configOf(preset, { activation: 'relu' }));
        const [batch, time] = [2, 40];
        const words = batchOf(model.config, batch, time);
        stepOf(model, words, options);
        const sizes = uploadsOf(() => stepOf(model, words, options));
        const { experts } = model.config;
        // A mixture's lists of rows are the host's: int32, three of them, one number for each assignment.
        const lists = experts === undefined ? 0 : batch * time * experts.active;
        const large = sizes.filter((size) => size > 16 && size !== lists);
        expect(large).toEqual([]);
        expect(sizes.length).toBeGreaterThan(0);
        tf.dispose(words);
        model.dispose();
      }
    },
  );
});

/** The sizes of the tensors that come from the host. */
function uploadsOf(f: () => void): number[] {
  type Make = (values: ArrayLike<number>, ...rest: unknown[]) => tf.Tensor;
  const engine = tf.engine() as unknown as { makeTensor: Make };
  const sizes: number[] = [];
  const { makeTensor } = engine;
  engine.makeTensor = (values, ...rest) => {
    sizes.push(values.length);
    return makeTensor.call(engine, values, ...rest);
  };
  try {
    f();
  } finally {
    engine.makeTensor = makeTensor;
  }
  return sizes;
}

describe('the gradients', () => {
  // Central differences along random directions: the loss rounds to 1e-7 of about 4, over 2h, and its third derivative
  // comes with h².
  test.each(MODELS)('are those of finite differences: %s', (name) => {
    const { model, tokens, targets } = modelOf(name);
    const { gradients } = stepOf(model, [tokens, targets], {});
    const variables = [...model.parameters];
    for (const seed of [1, 2, 3]) {
      const directions = variables.map(([, { size }], i) => normal(size, 100 * seed + i));
      const length = Math.sqrt(
        directions.flatMap((d) => [...d]).reduce((sum, value) => sum + value * value, 0),
      );
      const lossAt = (h: number) => {
        const before = variables.map(([, variable]) => variable.clone());
        for (const [i, [, variable]] of variables.entries()) {
          variable.assign(before[i]!.add(tf.mul(tf.tensor(directions[i]!, variable.shape), h / length)));
        }
        const loss = model.loss(tokens, targets).loss.dataSync()[0]!;
        for (const [i, [, variable]] of variables.entries()) variable.assign(before[i]!);
        return loss;
      };
      const h = 0.004;
      const slope = tf.tidy(() => ({ value: (lossAt(h) - lossAt(-h)) / (2 * h) }) as never) as {
        value: number;
      };
      const wanted = variables.reduce(
        (sum, [key], i) =>
          sum + directions[i]!.reduce((s, d, j) => s + d * gradients.get(key)![j]!, 0) / length,
        0,
      );
      const norm = Math.sqrt(
        [...gradients.values()].reduce((s, g) => s + g.reduce((t, v) => t + v * v, 0), 0),
      );
      expect(Math.abs(slope.value - wanted)).toBeLessThan(1e-3 * norm);
    }
    model.dispose();
  });
});

describe.skipIf(!hasTensorflow)('the memory of a step', () => {
  test.each(['tiny', 'tiny-moe'] as const)(
    'with hand-written gradients is a third of the stock tape’s: %s',
    (preset) => {
      const model = Transformer.create(configOf(preset, { layers: 4 }));
      const words = batchOf(model.config, 2, 64);
      const peak = (options: LossOptions) => measurePeak(() => stepOf(model, words, options)).peakBytes;
      const stock = unfused(() => peak({ memory: 'tape' }));
      const figures = WAYS.map((way) => peak(way));
      const [tape, , block, least] = figures as [number, number, number, number];
      expect(block).toBeLessThan(stock / 3);
      expect(block).toBeLessThan(tape);
      expect(least).toBeLessThan(block);
      tf.dispose(words);
      model.dispose();
    },
  );
});
