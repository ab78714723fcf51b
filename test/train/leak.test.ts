import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { configOf, type PresetName, Transformer } from '../../src/model/index.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { AdamW } from '../../src/train/optimizer.js';

const backend = tensorflowStatus.fused ? 'tensorflow' : 'cpu';
beforeAll(async () => void (await tf.setBackend(backend)));

const SETTLED = 10;

// On tfjs cpu a step takes some twenty times as long.
test.each<[PresetName, number]>([
  ['tiny', backend === 'tensorflow' ? 1000 : 50],
  ['tiny-moe', backend === 'tensorflow' ? 200 : 20],
])(
  `training ${backend === 'tensorflow' ? 'on tfjs-node' : 'on tfjs cpu'} leaves nothing behind: %s, %i steps`,
  (preset, steps) => {
    const config = configOf(preset, { width: 32, hidden: 48, dropout: 0.1 });
    const model = Transformer.create(config, { seed: 1 });
    const optimizer = new AdamW(model.parameters);
    const tokens = tf.tensor2d(
      Int32Array.from({ length: 32 }, (_, i) => (7 * i) % 251),
      [2, 16],
      'int32',
    );
    const memory = () => {
      const { numTensors, numDataBuffers, numBytes } = tf.memory();
      return { numTensors, numDataBuffers, numBytes };
    };
    let settled = memory();
    for (let step = 1; step <= steps; ++step) {
      tf.tidy(() => {
        const { gradients } = model.gradients(tokens, tokens, { step });
        optimizer.apply(gradients, { learningRate: 1e-3 });
      });
      if (step === SETTLED) settled = memory();
      if (step > SETTLED) expect(memory(), `step ${step}`).toEqual(settled);
    }
    optimizer.dispose();
    model.dispose();
    tokens.dispose();
  },
);
