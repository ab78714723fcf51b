import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { polyCom, polyComCoefficients, polyReluNorm } from '../../src/index.js';
import { errorOf } from '../../src/op/compare.js';
import { normal } from '../../src/op/sample.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { polyComReference } from '../activations/polycom-reference.js';

if (!tensorflowStatus.fused) console.warn(`skipped: polyCom in TensorFlow: ${tensorflowStatus.missing}`);

describe.skipIf(!tensorflowStatus.fused)('polyCom in TensorFlow', () => {
  beforeAll(async () => {
    await tf.setBackend('tensorflow');
  });

  test.each<[string, string, (x: tf.Tensor) => tf.Tensor]>([
    ['type I of ReLU', 'PolyRelu', (x) => polyCom(x, polyComCoefficients(), { inner: 'relu', type: 'I' })],
    ['type II of RMS', 'PolyNorm', (x) => polyCom(x, polyComCoefficients(), { inner: 'rms', type: 'II' })],
    ['type II of L2', 'PolyNorm', (x) => polyCom(x, polyComCoefficients(), { inner: 'l2', type: 'II' })],
    ['PolyReLUNorm', 'PolyNorm', (x) => polyReluNorm(x, [0.1, 0.2, 0.3], 0, { norm: 'l2' })],
  ])('%s runs the kernel %s', async (_, kernel, run) => {
    const x = tf.tensor(normal(24, 1), [4, 6]);
    const { kernelNames } = await tf.profile(() => tf.grad(run)(x));
    expect(kernelNames).toEqual(expect.arrayContaining([kernel, `${kernel}Grad`]));
    x.dispose();
  });

  // As on the CPU backend: tf sums in f32.
  test.each(['identity', 'sigmoid', 'tanh', 'silu', 'gelu', 'l2'] as const)(
    'its compositions of %s agree with their references',
    (inner) => {
      const [x, dy, weight] = [normal(512, 2), normal(512, 3), Float32Array.of(0.4, -0.3, 0.7)];
      const wide = { x, weight, bias: Float32Array.of(0.1) };
      const tensors = Object.fromEntries(Object.entries(wide).map(([k, v]) => [k, Float64Array.from(v)]));
      for (const type of ['I', 'II'] as const) {
        tf.tidy(() => {
          const reference = polyComReference(inner, type);
          const given = { cols: 64, scalars: { epsilon: 1e-6 }, tensors };
          const inputs = [tf.tensor(x, [8, 64]), tf.tensor(weight), tf.scalar(0.1)];
          const f = (t: tf.Tensor, w: tf.Tensor, b: tf.Tensor) =>
            polyCom(t, { weight: w, bias: b }, { inner, type });
          const y = f(inputs[0]!, inputs[1]!, inputs[2]!);
          expect(errorOf(y.dataSync(), reference.forward(given))).toBeLessThan(2e-6);
          const gradients = tf.grads(f)(inputs, tf.tensor(dy, [8, 64]));
          for (const [i, wanted] of reference.backward(given, Float64Array.from(dy)).entries())
            expect(errorOf(gradients[i]!.dataSync(), wanted)).toBeLessThan(2e-6);
        });
      }
    },
  );
});
