import '@tensorflow/tfjs';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfjs from '@tensorflow/tfjs-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadTfjsNode } from '../../src/tensorflow/load.js';
import { repairKernels, repairs } from '../../src/tensorflow/repairs.js';

const loaded = loadTfjsNode();
if (!loaded.loaded) console.warn(`skipped: the repairs of tfjs-node's kernels: ${loaded.reason}`);

beforeAll(async () => {
  if (!loaded.loaded) return;
  repairKernels();
  await tf.setBackend('tensorflow');
});

const SHAPES = [[], [3], [0], [2, 3], [2, 0], [1, 2, 3], [2, 1, 2, 1], [1, 2, 1, 2, 1], [1, 1, 2, 1, 1, 2]];
const DTYPES = ['float32', 'int32', 'bool', 'string', 'complex64'] as const;

/** A value of each dtype for a scalar, and what dataSync gives for it. */
function scalarOf(dtype: tf.DataType, i: number): [tensor: tf.Tensor, values: unknown[]] {
  if (dtype === 'complex64') return [tf.complex(i, -i), [i, -i]];
  if (dtype === 'string') return [tf.scalar(`é${i}`), [`é${i}`]];
  return [tf.scalar(dtype === 'bool' ? i % 2 === 1 : i, dtype), [dtype === 'bool' ? i % 2 : i]];
}

/** The same function on tfjs's own backend. */
async function onCpu(f: () => tf.Tensor): Promise<tf.Tensor> {
  await tf.setBackend('cpu');
  try {
    const y = tf.tidy(f);
    y.dataSync();
    return y;
  } finally {
    await tf.setBackend('tensorflow');
  }
}

const filled = (shape: number[], step: number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => ((i * step) % 17) / 8 - 1),
    shape,
  );

describe.skipIf(!loaded.loaded)('what a newer TensorFlow would change in tfjs-node', () => {
  test.each(SHAPES.map((shape) => ({ shape })))(
    'round leaves int32 as it is, of shape $shape',
    ({ shape }) => {
      const values = Int32Array.from(
        { length: tf.util.sizeFromShape(shape) },
        (_, i) => [-12345678, 10, 2147483647, -2147483648][i % 4]!,
      );
      tf.tidy(() => {
        const rounded = tf.round(tf.tensor(values, shape, 'int32'));
        expect(rounded.dtype).toBe('int32');
        expect(rounded.shape).toEqual(shape);
        expect([...rounded.dataSync()]).toEqual([...values]);
      });
    },
  );

  test('round of float32 rounds to even', () => {
    expect(Array.from(tf.round([0.5, 1.5, -2.5, 2.6]).dataSync(), (x) => x + 0)).toEqual([0, 2, -2, 3]);
  });

  test.each(SHAPES.map((shape) => ({ shape })))('acos of int32 is cut, of shape $shape', ({ shape }) => {
    const values = Int32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => (i % 3) - 1);
    tf.tidy(() => {
      const angles = tf.acos(tf.tensor(values, shape, 'int32'));
      expect(angles.dtype).toBe('int32');
      expect(angles.shape).toEqual(shape);
      expect([...angles.dataSync()]).toEqual(Array.from(values, (x) => Math.trunc(Math.acos(x))));
    });
  });

  test.each(DTYPES)('concat of %s scalars is a vector', (dtype) => {
    const before = tf.memory().numTensors;
    const scalars = [1, 2, 3].map((i) => scalarOf(dtype, i));
    const vector = tf.concat(scalars.map(([scalar]) => scalar));
    expect(vector.dtype).toBe(dtype);
    expect(vector.shape).toEqual([3]);
    expect([...vector.dataSync()]).toEqual(scalars.flatMap(([, values]) => values));
    tf.dispose([vector, ...scalars.map(([scalar]) => scalar)]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("TensorBoard's callback writes the histogram of a constant weight", async () => {
    const { layers, node, sequential } = (loaded as unknown as { tf: typeof tfjs }).tf;
    const folder = mkdtempSync(join(tmpdir(), 'polycom-tensorboard-'));
    try {
      const model = sequential({ layers: [layers.dense({ units: 2, inputShape: [3] })] });
      model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
      await model.fit(tf.ones([4, 3]), tf.zeros([4, 2]), {
        epochs: 1,
        verbose: 0,
        validationSplit: 0.5,
        callbacks: node.tensorBoard(folder, { histogramFreq: 1 }),
      });
      expect(readdirSync(folder)).toContain('train');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const dilations = [2, 3, [1, 2], [3, 1], [2, 3]] as (number | [number, number])[];
  const explicit = [
    [0, 0],
    [1, 0],
    [2, 3],
    [0, 0],
  ] as unknown as 'valid';
  const pads = ['valid', 'same', explicit] as const;
  const convolutions = dilations.flatMap((dilation) => pads.map((pad) => ({ dilation, pad })));

  test.each(convolutions)('depthwiseConv2d, dilated $dilation, padded $pad', async ({ dilation, pad }) => {
    const f = (): tf.Tensor =>
      tf.depthwiseConv2d(
        filled([2, 9, 8, 3], 5) as tf.Tensor4D,
        filled([2, 2, 3, 2], 7) as tf.Tensor4D,
        1,
        pad,
        'NHWC',
        dilation,
      );
    await expectSame(f);
  });

  const activations = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'prelu', 'leakyrelu'] as const;
  test.each(activations)('fused depthwiseConv2d, dilated, with %s', async (activation) => {
    const weights = activation === 'prelu' ? { preluActivationWeights: filled([1, 1, 6], 3) } : {};
    const f = (): tf.Tensor =>
      tf.fused.depthwiseConv2d({
        x: filled([1, 6, 7, 3], 5) as tf.Tensor4D,
        filter: filled([3, 2, 3, 2], 7) as tf.Tensor4D,
        strides: 1,
        pad: 'same',
        dilations: [2, 2],
        bias: filled([6], 11),
        activation,
        leakyreluAlpha: 0.3,
        ...weights,
      });
    await expectSame(f);
  });

  test('a dilated depthwise convolution leaks nothing, and has no gradient, as tfjs says', () => {
    const [x, filter] = [filled([1, 4, 4, 1], 5) as tf.Tensor4D, filled([2, 2, 1, 1], 7) as tf.Tensor4D];
    const convolve = (x: tf.Tensor): tf.Tensor =>
      tf.depthwiseConv2d(x as tf.Tensor4D, filter, 1, 'same', 'NHWC', 2);
    const { numTensors, numDataBuffers } = tf.memory();
    convolve(x).dispose();
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
    expect(() => tf.grad(convolve)(x)).toThrow(/dilation rates greater than 1 are not yet supported/);
  });

  test('repairing again does nothing', () => {
    const kernels = repairs.map(({ kernelName }) => tf.getKernel(kernelName, 'tensorflow'));
    repairKernels();
    expect(repairs.map(({ kernelName }) => tf.getKernel(kernelName, 'tensorflow'))).toEqual(kernels);
  });
});

async function expectSame(f: () => tf.Tensor): Promise<void> {
  const wanted = await onCpu(f);
  const got = tf.tidy(f);
  expect(got.shape).toEqual(wanted.shape);
  const [a, b] = [got.dataSync(), wanted.dataSync()];
  for (let i = 0; i < b.length; ++i) expect(Math.abs(a[i]! - b[i]!), `element ${i}`).toBeLessThan(1e-5);
}
