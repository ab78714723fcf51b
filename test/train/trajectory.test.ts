import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Transformer } from '../../src/model/index.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { AdamW } from '../../src/train/optimizer.js';
import { learningRateAt } from '../../src/train/schedule.js';
import { distance } from '../model/support.js';
import { readVectors, tensorsUnder } from '../model/vectors/read.js';

const RELATIVE = 1e-4;

describe.each(['tensorflow', 'cpu'])('ten steps of AdamW on %s', (backend) => {
  const before = tf.getBackend();
  const skipped = backend === 'tensorflow' && !tensorflowStatus.fused;
  if (skipped) console.warn(`skipped: ten steps in TensorFlow: ${tensorflowStatus.missing}`);
  beforeAll(async () => void (skipped || (await tf.setBackend(backend))));
  afterAll(async () => void (skipped || (await tf.setBackend(before || 'cpu'))));

  test.skipIf(skipped)("follow PyTorch's: losses, gradient norms and the parameters after them", () => {
    const vectors = readVectors('adamw');
    const { config, recipe, decayed } = vectors.texts;
    const { learningRate, floor, warmup, steps, betas, epsilon, decay, clip } = JSON.parse(recipe!);
    const parameters = tensorsUnder(vectors, 'parameters');
    const model = Transformer.from(JSON.parse(config!), (name) =>
      Float32Array.from(parameters.get(name)!.values),
    );
    const names: string[] = JSON.parse(decayed!);
    const optimizer = new AdamW(model.parameters, {
      betas: betas ?? [0.9, 0.95],
      epsilon: epsilon ?? 1e-8,
      weightDecay: decay ?? 0.1,
      clip: clip ?? 1,
      decays: (name) => names.includes(name),
    });
    const { shape, values: words } = vectors.tensors.get('batches')!;
    const [, batch, length] = shape as [number, number, number];
    const [losses, norms] = ['loss', 'norm'].map((name) => vectors.tensors.get(name)!.values);
    for (let step = 1; step <= steps; ++step) {
      const cut = (from: number) =>
        tf.tensor2d(
          Int32Array.from({ length: batch * (length - 1) }, (_, i) => {
            const row = (step - 1) * batch + Math.floor(i / (length - 1));
            return words[row * length + (i % (length - 1)) + from]!;
          }),
          [batch, length - 1],
          'int32',
        );
      tf.tidy(() => {
        const { loss, gradients } = model.gradients(cut(0), cut(1));
        expect(loss.dataSync()[0]! / losses![step - 1]! - 1, `loss ${step}`).toBeCloseTo(0, 4);
        const rate = learningRateAt({ peak: learningRate, floor, warmup, steps, decay: 'cosine' }, step);
        const { gradientNorm } = optimizer.apply(gradients, { learningRate: rate });
        expect(Math.abs(gradientNorm / norms![step - 1]! - 1), `norm ${step}`).toBeLessThan(RELATIVE);
      });
    }
    for (const [name, { values }] of tensorsUnder(vectors, 'trained'))
      expect(distance(model.parameters.get(name)!.dataSync(), values), name).toBeLessThan(RELATIVE);
    optimizer.dispose();
    model.dispose();
  });
});
