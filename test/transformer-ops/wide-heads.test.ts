import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { unfused } from '../../src/op/run.js';
import { attention } from '../../src/transformer-ops/attention.js';

// A backend whose tensors lie on a GPU, as tfjs-node's says of itself; its fused kernel is watched.
const GPU = 'cpu-as-gpu';
const before = tf.getBackend();
const fused = vi.fn();
beforeAll(async () => {
  tf.registerBackend(GPU, () => Object.assign(new MathBackendCPU(), { isUsingGpuDevice: true }));
  tf.copyRegisteredKernels('cpu', GPU);
  for (const kernelName of ['CausalAttention', 'CausalAttentionGrad']) {
    tf.registerKernel({
      kernelName,
      backendName: GPU,
      kernelFunc: ({ inputs }) => {
        fused(kernelName);
        const { q } = inputs as unknown as Record<string, tf.Tensor>;
        return [tf.clone(q!), tf.zeros([1])];
      },
    });
  }
  await tf.setBackend(GPU);
});
afterAll(() => tf.setBackend(before || 'cpu'));

const heads = (width: number): tf.Tensor4D => tf.randomNormal([1, 3, 2, width], 0, 1, 'float32', 7);

test('heads as wide as the CUDA kernels take run fused on a GPU', () => {
  fused.mockClear();
  attention(heads(256), heads(256), heads(256), [0]);
  expect(fused).toHaveBeenCalledWith('CausalAttention');
});

test('wider heads are composed there, forward and backward', () => {
  fused.mockClear();
  const [q, k, v] = [heads(260), heads(260), heads(260)];
  const run = () =>
    tf.valueAndGrads((a, b, c) =>
      tf.sum(attention(a as tf.Tensor4D, b as tf.Tensor4D, c as tf.Tensor4D, [0])),
    )([q, k, v]);
  const got = run();
  expect(fused).not.toHaveBeenCalled();
  const wanted = unfused(run);
  expect(got.value.dataSync()).toEqual(wanted.value.dataSync());
  for (const [i, gradient] of wanted.grads.entries()) {
    expect(got.grads[i]!.dataSync()).toEqual(gradient.dataSync());
  }
});

test('the row and the kernels agree on the width', () => {
  const source = readFileSync(join(packageFolder, 'native/ops/attention/cuda.cuh'), 'utf8');
  expect(source).toContain('most_attention_width = 256;');
});
