import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { ActivationLayer, type ActivationLayerArgs, activationLayer } from '../../src/layers/index.js';
import { errorOf, expected, tensorsOf, upstreamOf } from '../../src/op/compare.js';
import { isGated, packed } from '../../src/op/gated.js';
import { optionsOf } from '../../src/op/options.js';
import { hasOrder, sampleOf, scalarVariants } from '../../src/op/sample.js';
import type { Sums } from '../../src/op/sums.js';
import { backends, reloaded, values } from './support.js';

describe.each(backends)('a layer of any activation on the backend %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });
  afterEach(() => tf.disposeVariables());

  test.each(activationRows)('$name: the op and its gradients, with every scalar', (row) => {
    const op = isGated(row) ? packed(row) : row;
    for (const variant of [{ scalars: {} }, ...scalarVariants(row)]) {
      const sample = sampleOf(op, 4, 6, variant);
      const [x, ...weights] = tensorsOf(op, sample) as [tf.Tensor, ...tf.Tensor[]];
      const scalars = optionsOf(row, variant.scalars);
      const layer = activationLayer({ activation: row.name, weights, scalars });
      expectClose(values(layer.apply(x) as tf.Tensor), expected(op, sample).outputs[0]!);
      expect(layer.computeOutputShape([null, x.shape[1]!])).toEqual([null, 6]);
      const dy = tf.tensor(upstreamOf(op, sample, 0, 24), [4, 6]);
      const loss = () => tf.sum(tf.mul(layer.apply(x) as tf.Tensor, dy)).asScalar();
      const wanted = expected(op, sample).gradients.slice(1);
      if (wanted.length === 0) continue;
      const { grads } = tf.variableGrads(loss);
      expect(Object.keys(grads)).toHaveLength(wanted.length);
      for (const [i, gradient] of Object.values(grads).entries()) expectClose(values(gradient), wanted[i]!);
    }
  });

  test.each(activationRows)(
    '$name comes back from a saved model, and begins as its row says',
    async (row) => {
      const layers = [
        tf.layers.dense({ units: 4, inputShape: [3] }),
        activationLayer({ activation: row.name, ...(hasOrder(row) ? { order: 2 } : {}) }),
      ];
      const model = tf.sequential({ layers });
      const again = await reloaded(model);
      expect(again.layers[1]).toBeInstanceOf(ActivationLayer);
      expect(again.layers[1]!.getConfig()).toEqual(model.layers[1]!.getConfig());
      const x = tf.ones([2, 3]);
      expect(values(again.predict(x) as tf.Tensor)).toEqual(values(model.predict(x) as tf.Tensor));
      for (const [i, { first }] of Object.values(row.parameters).entries()) {
        const value = first === '1 / order' ? 1 / 2 : Number(first);
        for (const weight of values(layers[1]!.getWeights()[i]!)) expect(weight).toBeCloseTo(value, 6);
      }
      model.dispose();
      again.dispose();
      x.dispose();
    },
  );

  test('rejects what it does not know', () => {
    const make = (args: object) => () => activationLayer(args as ActivationLayerArgs);
    expect(make({ activation: 'tanh' })).toThrow(
      /PolycomActivation: activation is 'tanh'; expected one of polynorm,/,
    );
    expect(make({ activation: 'relu', order: 2 })).toThrow(/order/);
    expect(make({ activation: 'relu', scalars: { epsilon: 1 } })).toThrow(
      /there is no option epsilon; expected none/,
    );
    expect(make({ activation: 'polynorm', scalars: { norm: 1 } })).toThrow(
      /PolycomActivation: norm is 1; expected 'rms' or 'l2'/,
    );
    expect(make({ activation: 'polynorm', scalars: { epsilon: -1 } })).toThrow(
      /epsilon is -1; expected a finite/,
    );
    const odd = activationLayer({ activation: 'swiglu' });
    expect(() => odd.apply(tf.ones([2, 3]))).toThrow(/odd length/);
  });
});

function expectClose(got: readonly number[], wanted: Sums): void {
  expect(errorOf(got, wanted)).toBeLessThan(2e-6);
}
