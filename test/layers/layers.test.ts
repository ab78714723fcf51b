import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { polyNorm, polyRelu } from '../../src/index.js';
import {
  PolyComLayer,
  type PolyComLayerArgs,
  PolyNormLayer,
  type PolyNormLayerArgs,
  PolyReluLayer,
  polyNormLayer,
  polyReluLayer,
} from '../../src/layers/index.js';
import { normal } from '../../src/op/sample.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { backends, reloaded, values } from './support.js';

if (!tensorflowStatus.fused) console.warn(`skipped: the layers in TensorFlow: ${tensorflowStatus.missing}`);

const kinds = [
  { className: 'PolyNorm', kernel: 'PolyNorm', make: polyNormLayer, cls: PolyNormLayer, op: polyNorm },
  { className: 'PolyReLU', kernel: 'PolyRelu', make: polyReluLayer, cls: PolyReluLayer, op: polyRelu },
];

type Make = (args?: PolyNormLayerArgs) => PolyComLayer;

function mlp(make: Make, args: PolyNormLayerArgs = {}): tf.Sequential {
  return tf.sequential({
    layers: [
      tf.layers.dense({
        units: 16,
        inputShape: [2],
        kernelInitializer: tf.initializers.heNormal({ seed: 1 }),
      }),
      make(args),
      tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.heNormal({ seed: 2 }) }),
    ],
  });
}

/** x_1 x_2 at normal points, which a line cannot fit. */
function data(): { xs: tf.Tensor2D; ys: tf.Tensor2D } {
  const points = normal(256, 5);
  const products = Float32Array.from({ length: 128 }, (_, i) => points[2 * i]! * points[2 * i + 1]!);
  return { xs: tf.tensor2d(points, [128, 2]), ys: tf.tensor2d(products, [128, 1]) };
}

describe.each(backends)('on the backend %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });
  afterEach(() => tf.disposeVariables());

  describe.each(kinds)('a layer $className', ({ make, op, className }) => {
    test('trains in a sequential model', async () => {
      const model = mlp(make as Make);
      const { xs, ys } = data();
      model.compile({ optimizer: tf.train.adam(0.02), loss: 'meanSquaredError' });
      const layer = model.layers[1]!;
      const before = layer.getWeights().map(values);
      const { history } = await model.fit(xs, ys, { epochs: 60, batchSize: 32, verbose: 0, shuffle: false });
      const losses = history.loss as number[];
      expect(losses.at(-1)).toBeLessThan(losses[0]! / 10);
      const after = layer.getWeights().map(values);
      for (const [i, coefficients] of after.entries())
        for (const [j, value] of coefficients.entries()) expect(value).not.toBe(before[i]![j]);
      tf.dispose([xs, ys]);
    });

    test('computes the op, for any rank', () => {
      const weights = [tf.tensor1d([0.4, -0.3, 0.7]), tf.scalar(0.1)];
      for (const shape of [[6], [4, 6], [2, 3, 6], [2, 1, 2, 2, 6]]) {
        const layer = make({ weights });
        const x = tf.randomNormal(shape);
        const y = layer.apply(x) as tf.Tensor;
        expect(y.shape).toEqual(shape);
        expect(layer.computeOutputShape(shape)).toEqual(shape);
        expect(values(y)).toEqual(values(op(x, weights[0]!, weights[1]!)));
      }
      expect(make().computeOutputShape([[null, 3]])).toEqual([null, 3]);
    });

    test('gives its coefficients the gradients of the op', () => {
      const layer = make();
      const x = tf.tensor(normal(24, 9), [4, 6]);
      layer.apply(x);
      const [weight, bias] = layer.trainableWeights.map((variable) => variable.read());
      const { grads } = tf.variableGrads(() => tf.sum(tf.square(layer.apply(x) as tf.Tensor)).asScalar());
      const wanted = tf.grads((w: tf.Tensor, b: tf.Tensor) => tf.sum(tf.square(op(x, w, b))))([
        weight!.clone(),
        bias!.clone(),
      ]);
      for (const [i, gradient] of Object.values(grads).entries()) {
        expect(gradient.shape).toEqual(wanted[i]!.shape);
        expect(values(gradient)).toEqual(values(wanted[i]!));
        expect(values(gradient).every((value) => value !== 0)).toBe(true);
      }
      expect(Object.keys(grads)).toHaveLength(2);
    });

    test('comes back from a saved model', async () => {
      const model = mlp(make as Make, { order: 2, name: 'activation', weightRegularizer: 'l1l2' });
      model.layers[1]!.setWeights([tf.tensor1d([0.3, -0.6]), tf.scalar(0.2)]);
      const again = await reloaded(model);
      const layer = again.layers[1]!;
      expect([layer.getClassName(), layer.name]).toEqual([className, 'activation']);
      expect(layer).toBeInstanceOf(PolyComLayer);
      expect(layer.getConfig()).toEqual(model.layers[1]!.getConfig());
      const { xs } = data();
      expect(values(again.predict(xs) as tf.Tensor)).toEqual(values(model.predict(xs) as tf.Tensor));
      model.dispose();
      again.dispose();
      xs.dispose();
    });

    test('leaks no tensor, and disposes of its own', () => {
      const x = tf.ones([2, 4]);
      const before = tf.memory().numTensors;
      const layer = make();
      tf.dispose(layer.apply(x) as tf.Tensor);
      expect(tf.memory().numTensors).toBe(before + 2);
      for (let i = 0; i < 3; ++i) tf.dispose(layer.apply(x) as tf.Tensor);
      expect(tf.memory().numTensors).toBe(before + 2);
      layer.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  });

  test('PolyNorm takes ε and the norm', () => {
    const x = tf.tensor2d([[3, 4]]);
    const y = polyNormLayer({ order: 1, norm: 'l2', epsilon: 0 }).apply(x) as tf.Tensor;
    for (const [i, value] of [0.6, 0.8].entries()) expect(values(y)[i]).toBeCloseTo(value, 6);
    const damped = polyNormLayer({ order: 1, epsilon: 12.5 }).apply(x) as tf.Tensor;
    for (const [i, value] of [0.6, 0.8].entries()) expect(values(damped)[i]).toBeCloseTo(value, 6);
  });

  test('a mask passes through', () => {
    const x = tf.tensor3d([
      [
        [1, 2],
        [0, 0],
        [3, 4],
      ],
    ]);
    const model = tf.sequential({
      layers: [
        tf.layers.masking({ inputShape: [3, 2] }),
        polyNormLayer(),
        tf.layers.simpleRNN({ units: 2, kernelInitializer: 'ones', recurrentInitializer: 'ones' }),
      ],
    });
    const masked = values(model.predict(x) as tf.Tensor);
    const without = tf.sequential({ layers: model.layers.slice(1) });
    const short = without.layers.reduce<tf.Tensor>(
      (t, layer) => layer.apply(t) as tf.Tensor,
      tf.tensor3d([
        [
          [1, 2],
          [3, 4],
        ],
      ]),
    );
    for (const [i, value] of values(short).entries()) expect(masked[i]).toBeCloseTo(value, 6);
  });
});

describe.skipIf(!tensorflowStatus.fused).each(kinds)('in TensorFlow, $className', ({ kernel, make }) => {
  test('runs the fused kernels', async () => {
    await tf.setBackend('tensorflow');
    const model = mlp(make as Make);
    const { xs, ys } = data();
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const { kernelNames } = await tf.profile(async () => model.trainOnBatch(xs, ys) as never);
    expect(kernelNames).toEqual(expect.arrayContaining([kernel, `${kernel}Grad`]));
    model.dispose();
    tf.dispose([xs, ys]);
  });
});

describe.each(kinds)('the configuration of $className', ({ make, cls, className }) => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  test('begins as the paper does, without decay', () => {
    const layer = make();
    layer.apply(tf.ones([1, 2]));
    const [weight, bias] = layer.getWeights().map(values);
    expect(weight).toEqual(new Array(3).fill(Math.fround(1 / 3)));
    expect(bias).toEqual([0]);
    expect(layer.losses).toEqual([]);
    expect(layer.countParams()).toBe(4);
    expect(layer.name).toMatch(/^poly_/);
    const regularised = make({ weightRegularizer: tf.regularizers.l2({ l2: 0.5 }) });
    regularised.apply(tf.ones([1, 2]));
    expect(values(regularised.calculateLosses()[0]!)[0]).toBeCloseTo(0.5 / 3, 6);
  });

  test('comes back from getConfig', () => {
    const args: PolyComLayerArgs = {
      order: 4,
      trainable: false,
      weightInitializer: tf.initializers.randomNormal({ mean: 1, stddev: 2, seed: 3 }),
      weightRegularizer: tf.regularizers.l1({ l1: 0.1 }),
      weightConstraint: tf.constraints.maxNorm({ maxValue: 2, axis: 0 }),
      biasInitializer: { className: 'Constant', config: { value: 5 } },
      biasRegularizer: 'L1L2',
      biasConstraint: 'nonNeg',
    };
    const layer = make({ ...args, name: 'named' });
    const config = JSON.parse(JSON.stringify(layer.getConfig()));
    expect(config).toMatchObject({
      name: 'named',
      trainable: false,
      order: 4,
      weightInitializer: { className: 'RandomNormal', config: { mean: 1, stddev: 2, seed: 3 } },
      weightConstraint: { className: 'MaxNorm', config: { maxValue: 2, axis: 0 } },
      biasInitializer: { className: 'Constant', config: { value: 5 } },
      biasRegularizer: { className: 'L1L2' },
      biasConstraint: { className: 'NonNeg' },
    });
    const again = (cls as unknown as typeof tf.serialization.Serializable).fromConfig(cls as never, config);
    expect((again as unknown as PolyComLayer).getConfig()).toEqual(layer.getConfig());
  });

  test('freezes its coefficients, and constrains them', () => {
    const frozen = make({ trainable: false });
    frozen.apply(tf.ones([1, 2]));
    expect([frozen.trainableWeights.length, frozen.nonTrainableWeights.length]).toEqual([0, 2]);
    const constrained = make({ order: 1, biasConstraint: 'nonNeg' });
    constrained.apply(tf.ones([1, 2]));
    constrained.trainableWeights[1]!.write(tf.scalar(-3));
    expect(values(constrained.getWeights()[1]!)).toEqual([0]);
  });

  test('is known to the application’s tfjs, and its class to instanceof', () => {
    const layer = make();
    const require = createRequire(import.meta.url);
    const copies: (typeof tf)[] = [tf, require('@tensorflow/tfjs')];
    if (tensorflowStatus.fused) copies.push(require(tensorflowStatus.package!));
    for (const copy of copies) {
      expect(layer).toBeInstanceOf(copy.layers.Layer);
      expect(Object.keys(copy.serialization.SerializationMap.getMap().classNameMap)).toContain(className);
    }
  });

  test.each<[string, PolyNormLayerArgs, RegExp]>([
    ['an order of 5', { order: 5 }, /order is 5; expected a whole number from 1 to 4/],
    ['an order of a half', { order: 0.5 }, /order is 0.5/],
    ['an order in words', { order: '3' as never }, /order is "3"; expected a whole number/],
    ['an unknown initializer', { weightInitializer: 'nothing' }, /weightInitializer is nothing;.*zeros/],
    ['a function', { weightInitializer: (() => 0) as never }, /weightInitializer is function/],
    ['an initializer that needs more', { biasInitializer: 'constant' }, /'constant' needs a configuration/],
    ['no initializer', { biasInitializer: null as never }, /biasInitializer is object/],
    ['an unknown regularizer', { weightRegularizer: { className: 'L9', config: {} } }, /is L9;.*l1l2/],
    ['an unknown constraint', { biasConstraint: 'toString' }, /biasConstraint is toString;.*nonNeg/],
  ])('rejects %s', (_, args, message) => {
    expect(() => make(args)).toThrow(message);
    expect(() => make(args)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', op: className, name: 'PolycomError' }),
    );
  });

  test('rejects two inputs, and integers', () => {
    const layer = make();
    const x = tf.ones([1, 2]);
    expect(() => layer.apply([x, x])).toThrow(/2 input/);
    expect(() => layer.apply(tf.ones([1, 2], 'int32'))).toThrow(/x is int32; expected float32/);
  });
});

test.each<[PolyNormLayerArgs, RegExp]>([
  [{ epsilon: -1 }, /PolyNorm: epsilon is -1/],
  [{ norm: 'l1' as never }, /PolyNorm: norm is "l1"; expected 'rms' or 'l2'/],
])('PolyNorm rejects %o', (args, message) => {
  expect(() => polyNormLayer(args)).toThrow(message);
});
