import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import type { ActivationName, ModelConfig } from '../../src/model/config.js';
import { activateExperts, type BusyExperts, inOneCall, oneByOne } from '../../src/model/expert-activation.js';
import type { LayerParameters } from '../../src/model/parameters.js';
import { configOf } from '../../src/model/presets.js';
import { Transformer } from '../../src/model/transformer.js';
import { nestedGradients } from '../../src/op/nested.js';
import { unfused } from '../../src/op/run.js';
import { normal } from '../../src/op/sample.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { batchOf, distance } from './support.js';

if (!tensorflowStatus.fused) console.warn(`skipped: which way runs: ${tensorflowStatus.missing}`);

const COLS = 37;

/** Experts of one to five rows each, with projections, coefficients and gradients for their outputs. */
function expertsOf(activation: ActivationName, count: number) {
  const sizes = Array.from({ length: count }, (_, i) => 1 + (i % 5));
  const busy: BusyExperts = { names: sizes.map((_, i) => `mlp.experts.${2 * i}`), sizes };
  const width = activation === 'polynormglu' ? 2 : 1;
  const rows = (seed: number) =>
    sizes.map((n, i) => tf.tensor2d(normal(n * COLS, 100 * i + seed), [n, COLS]));
  const matrices = Array.from({ length: width }, (_, k) => rows(k));
  const coefficients = busy.names.flatMap((name, i): [string, tf.Tensor][] => [
    [`${name}.activation.weight`, tf.tensor1d(normal(3, 7 * i + 3))],
    [`${name}.activation.bias`, tf.scalar(0.1 * i)],
  ]);
  return {
    busy,
    inputs: sizes.flatMap((_, i) => matrices.map((list) => list[i]!)),
    coefficients,
    dys: rows(9),
  };
}

const passOf = (config: ModelConfig, parameters: LayerParameters) => ({ config, layer: 0, parameters });

/** Each expert's output, then the gradients for all projections and coefficients. */
function resultsOf(
  way: typeof inOneCall,
  config: ModelConfig,
  given: ReturnType<typeof expertsOf>,
): number[][] {
  const { busy, inputs, coefficients, dys } = given;
  const width = inputs.length / busy.sizes.length;
  const run = (...tensors: tf.Tensor[]) =>
    way(
      busy.sizes.map((_, i) => tensors.slice(i * width, (i + 1) * width)),
      busy,
      passOf(config, new Map(coefficients.map(([name], i) => [name, tensors[inputs.length + i]!]))),
    );
  const all = [...inputs, ...coefficients.map(([, tensor]) => tensor)];
  return tf.tidy(() =>
    [...run(...all), ...nestedGradients(run, all, dys)].map((tensor) => [...tensor.dataSync()]),
  );
}

const configs = (['polynorm', 'polynormglu'] as const).flatMap((activation) =>
  [{}, { epsilon: 0.1, norm: 'l2' as const }].map((activationOptions) =>
    configOf('tiny-moe', { activation, activationOptions }),
  ),
);

describe.each(configs)(
  '$activation of experts with coefficients of their own, $activationOptions',
  (config) => {
    // The same formulas on the same rows: as far apart as a product and a sum that are rounded once, or twice, may be.
    test.each([1, 2, 50])('is in one call as in one each: %i experts', (count) => {
      const given = expertsOf(config.activation, count);
      const [wanted, got] = [oneByOne, inOneCall].map((way) => resultsOf(way, config, given));
      expect(got!.map(({ length }) => length)).toEqual(wanted!.map(({ length }) => length));
      for (const [i, numbers] of got!.entries()) expect(distance(numbers, wanted![i]!)).toBeLessThan(1e-6);
    });

    test.skipIf(!tensorflowStatus.fused)(
      'is one call for many experts with a kernel, else one each',
      async () => {
        const kernels = async (count: number, fused: boolean): Promise<string[]> => {
          const { busy, inputs, coefficients } = expertsOf(config.activation, count);
          const width = inputs.length / count;
          const lists = busy.sizes.map((_, i) => inputs.slice(i * width, (i + 1) * width));
          const run = () => activateExperts(lists, busy, passOf(config, new Map(coefficients)));
          const { kernelNames } = await tf.profile(() => tf.tidy(() => (fused ? run() : unfused(run)))[0]!);
          return kernelNames;
        };
        const isGrouped = (names: string[]) => names.some((name) => name.startsWith('GroupedPolyNorm'));
        expect(isGrouped(await kernels(50, true))).toBe(true);
        expect(isGrouped(await kernels(8, true))).toBe(false);
        expect(isGrouped(await kernels(50, false))).toBe(false);
      },
    );
  },
);

test.each(['tape', 'checkpoint', 'block'] as const)(
  'a mixture of many such experts has the gradients of its composition: %s',
  (memory) => {
    const { experts } = configOf('tiny-moe');
    const config = configOf('tiny-moe', {
      layers: 1,
      activation: 'polynormglu',
      experts: { ...experts!, count: 64, active: 8, coefficients: 'expert' },
    });
    const model = Transformer.create(config, { seed: 1 });
    const words = batchOf(config, 2, 64);
    const { gradients } = model.gradients(...words, { memory });
    const { gradients: wanted } = unfused(() => model.gradients(...words, { memory: 'tape' }));
    const squares = [...wanted.values()]
      .flatMap((tensor) => [...tensor.dataSync()])
      .map((value) => value ** 2);
    const norm = Math.sqrt(squares.reduce((sum, value) => sum + value, 0));
    for (const [name, gradient] of gradients) {
      const difference = gradient.sub(wanted.get(name)!).norm().dataSync()[0]!;
      expect(difference, name).toBeLessThan(1e-5 * norm);
    }
    model.dispose();
  },
);
