import { tensorflowStatus } from '../../src/tensorflow/index.js';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LossOptions } from '../../src/model/transformer.js';
import { distance, MODELS, modelOf } from './support.js';

/** f32 against f64, of a tensor's norm: some 30 roundings in a row, each 6e-8, of sums that cancel a little. */
const CLOSE = 1e-5;

const WAYS: LossOptions[] = [
  { memory: 'tape' },
  { memory: 'checkpoint' },
  { memory: 'block' },
  { memory: 'block', recompute: true },
];

const hasTensorflow = tensorflowStatus.package !== undefined;
if (!hasTensorflow) console.warn(`skipped: the model on tfjs-node: ${tensorflowStatus.missing}`);

describe.each(['tensorflow', 'cpu'])('on %s', (backend) => {
  describe.skipIf(backend === 'tensorflow' && !hasTensorflow)('the model', () => {
    beforeAll(async () => {
      await tf.setBackend(backend);
    });
    afterAll(() => {
      tf.disposeVariables();
    });

    test.each(MODELS)('has PyTorch’s logits: %s', (name) => {
      const { model, tokens, wanted } = modelOf(name);
      const logits = model.logits(tokens);
      expect(logits.shape).toEqual(wanted.get('logits')!.shape);
      expect(distance(logits.dataSync(), wanted.get('logits')!.values)).toBeLessThan(CLOSE);
      model.dispose();
    });

    describe.each(MODELS)('%s', (name) => {
      test.each(WAYS)('has PyTorch’s losses and gradients: %o', (options) => {
        const { model, tokens, targets, wanted, gradients: known } = modelOf(name);
        const before = tf.memory().numTensors;
        const { gradients, ...losses } = model.gradients(tokens, targets, options);
        for (const [part, tensor] of Object.entries(losses)) {
          expect(distance(tensor.dataSync(), wanted.get(`losses/${part}`)!.values), part).toBeLessThan(CLOSE);
        }
        expect(Object.keys(losses)).toHaveLength(
          [...wanted.keys()].filter((key) => key.startsWith('losses/')).length,
        );
        expect([...gradients.keys()]).toEqual([...model.parameters.keys()]);
        for (const [key, gradient] of gradients) {
          expect(gradient.shape).toEqual(known.get(key)!.shape);
          expect(distance(gradient.dataSync(), known.get(key)!.values), key).toBeLessThan(CLOSE);
        }
        tf.dispose([gradients, ...Object.values(losses), ...gradients.values()] as tf.Tensor[]);
        expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1); // and the positions that each sequence starts at
        model.dispose();
      });
    });
  });
});
