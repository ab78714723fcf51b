/** A misspelt option is an error wherever the public functions take options, also in JavaScript. */
import '@tensorflow/tfjs-backend-cpu';
import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { exportHuggingFace, loadCheckpoint, saveCheckpoint } from '../../src/checkpoint/index.js';
import { PolycomError } from '../../src/common/errors.js';
import { checkNames } from '../../src/common/options.js';
import {
  Batches,
  byteTokenizer,
  openData,
  prepareShards,
  syntheticLanguage,
  windowsInOrder,
} from '../../src/data/index.js';
import { complete, exportModel, loadModel, sampleToken } from '../../src/generate/index.js';
import * as ops from '../../src/index.js';
import { polyNormLayer, polyReluLayer } from '../../src/layers/index.js';
import { configOf, Transformer } from '../../src/model/index.js';
import { AdamW, evaluate, learningRateAt, settingsOf, train } from '../../src/train/index.js';
import * as fused from '../../src/transformer-ops/index.js';
import { native } from '../native/harness.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const x = [[1, -2]];
const weight = [0.5, 0.3, 0.2];
const tokens = syntheticLanguage({ vocabulary: 8, length: 64 });
const config = configOf('tiny', { layers: 1, width: 16, hidden: 24, vocabulary: 8 });

/** A call with an option as it is spelt, and one with the option misspelt. */
type Call = (options: never) => unknown;
const calls: Readonly<Record<string, readonly [call: Call, right: object, wrong: object, meant: string]>> = {
  polyNorm: [(o) => ops.polyNorm(x, weight, 0, o), { epsilon: 1 }, { epsilo: 1 }, 'epsilon'],
  polyReluNorm: [(o) => ops.polyReluNorm(x, weight, 0, o), { norm: 'l2' }, { nrom: 'l2' }, 'norm'],
  polyNormGlu: [(o) => ops.polyNormGlu(x, weight, 0, o), { norm: 'l2' }, { Norm: 'l2' }, 'norm'],
  polyCom: [
    (o) => ops.polyCom(x, { weight, bias: 0 }, o),
    { inner: 'rms', type: 'I', epsilon: 1 },
    { inner: 'rms', type: 'I', eps1lon: 1 },
    'epsilon',
  ],
  gelu: [(o) => ops.gelu(x, o), { approximate: 'tanh' }, { aproximate: 'tanh' }, 'approximate'],
  geGlu: [(o) => ops.geGlu(x, o), { approximate: 'tanh' }, { approximat: 'tanh' }, 'approximate'],
  attention: [
    (o) => fused.attention(tf.ones([1, 1, 1, 2]), tf.ones([1, 1, 1, 2]), tf.ones([1, 1, 1, 2]), [0], o),
    { scale: 1 },
    { scales: 1 },
    'scale',
  ],
  rmsNorm: [(o) => fused.rmsNorm(x, [1, 1], o), { epsilon: 1 }, { epslion: 1 }, 'epsilon'],
  dropout: [(o) => fused.dropout(x, [1, 2], o), { rate: 0.5 }, { rat: 0.5 }, 'rate'],
  rotaryTable: [
    (o) => fused.rotaryTable(o),
    { positions: 1, width: 2, base: 10 },
    { positions: 1, width: 2, bases: 10 },
    'base',
  ],
  groupedPolyNorm: [
    (o) => fused.groupedPolyNorm(x, [weight], [0], null, o),
    { inputClamp: 1, shift: [0, 0] },
    { inputclamp: 1 },
    'inputClamp',
  ],
  groupedPolyNormGlu: [
    (o) => fused.groupedPolyNormGlu(x, x, [weight], [0], null, o),
    { outputScale: 2 },
    { outputscales: 2 },
    'outputScale',
  ],
  polyNormLayer: [polyNormLayer, { order: 2, inputShape: [4] }, { ordr: 2 }, 'order'],
  polyReluLayer: [polyReluLayer, { name: 'a' }, { weightInitialiser: 'zeros' }, 'weightInitializer'],
  configOf: [(o) => configOf('tiny', o), { layers: 1 }, { layer: 1 }, 'layers'],
  'an activation of a model': [
    (activationOptions) => configOf('tiny', { activationOptions }),
    { epsilon: 1 },
    { epsilons: 1 },
    'activationOptions.epsilon',
  ],
  'Transformer.create': [(o) => Transformer.create(config, o), { seed: 1 }, { sed: 1 }, 'seed'],
  'Transformer.from': [
    (o) => Transformer.from(config, (_name, shape) => new Float32Array(tf.util.sizeFromShape([...shape])), o),
    { seed: 1 },
    { seeds: 1 },
    'seed',
  ],
  'model.loss': [
    (o) => Transformer.create(config).loss(tf.zeros([1, 2], 'int32'), tf.zeros([1, 2], 'int32'), o),
    { memory: 'tape' },
    { memroy: 'tape' },
    'memory',
  ],
  'model.gradients': [
    (o) => Transformer.create(config).gradients(tf.zeros([1, 2], 'int32'), tf.zeros([1, 2], 'int32'), o),
    { memory: 'block' },
    { recomputes: true },
    'recompute',
  ],
  AdamW: [(o) => new AdamW(new Map(), o), { clip: 1 }, { weightdecays: 0 }, 'weightDecay'],
  'AdamW.apply': [
    (o) => new AdamW(new Map()).apply(new Map(), o),
    { learningRate: 1 },
    { learningRates: 1 },
    'learningRate',
  ],
  evaluate: [
    (o) => evaluate(Transformer.create(config), tokens, o),
    { batch: 1, time: 4, batches: 1 },
    { batch: 1, time: 4, batchess: 1 },
    'batches',
  ],
  learningRateAt: [
    (o) => learningRateAt(o, 1),
    { peak: 1, floor: 0, warmup: 0, steps: 2, decay: 'linear' },
    { peak: 1, floor: 0, warmups: 0, steps: 2, decay: 'linear' },
    'warmup',
  ],
  settingsOf: [(o) => settingsOf(o, 8), { steps: 2 }, { step: 2 }, 'steps'],
  sampleToken: [
    (o) => sampleToken([0, 1], [], o, () => 0.5),
    { temperature: 1 },
    { temprature: 1 },
    'temperature',
  ],
  complete: [
    (o) => complete(Transformer.create(config), byteTokenizer, [], o),
    { topK: 1 },
    { topk: 1 },
    'topK',
  ],
  syntheticLanguage: [
    (o) => syntheticLanguage(o),
    { vocabulary: 8, length: 9 },
    { vocabularys: 8 },
    'vocabulary',
  ],
  openData: [
    (o) => openData('synthetic', o),
    { synthetic: { vocabulary: 8, length: 64 } },
    { heldout: 0.1 },
    'heldOut',
  ],
  Batches: [(o) => new Batches(tokens, o), { batch: 1, time: 4 }, { batch: 1, time: 4, sed: 1 }, 'seed'],
  windowsInOrder: [
    (o) => [...windowsInOrder(tokens, o)],
    { batch: 1, time: 4, limit: 1 },
    { batch: 1, time: 4, limits: 1 },
    'limit',
  ],
};

/** Calls that take files, or a library: these fail before they look for any. */
const refused: Readonly<Record<string, readonly [call: Call, wrong: object, meant: string]>> = {
  train: [train, { config, out: 'nowhere', dta: tokens }, 'data'],
  prepareShards: [(o) => prepareShards('nowhere', 'nowhere', o), { tokeniser: byteTokenizer }, 'tokenizer'],
  loadModel: [(o) => loadModel('nowhere', o), { tokeniser: 'bytes' }, 'tokenizer'],
  exportModel: [(o) => exportModel('nowhere', 'nowhere', o), { dtpye: 'f16' }, 'dtype'],
  saveCheckpoint: [(o) => saveCheckpoint('nowhere', 1, {} as never, o), { keeps: 1 }, 'keep'],
  loadCheckpoint: [(o) => loadCheckpoint('nowhere', o), { optimiser: true }, 'optimizer'],
  exportHuggingFace: [
    (o) => exportHuggingFace(new Map(), config, 'nowhere', o),
    { endOftext: 1 },
    'endOfText',
  ],
};

test.each(Object.entries(refused))('%s takes its options alone', async (_name, [call, wrong, meant]) => {
  const failure = await (async () => await call(wrong as never))().catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT', remedy: `did you mean ${meant}?` });
  expect(existsSync('nowhere')).toBe(false);
});

test.skipIf(native === undefined)('so do queues and their calls', () => {
  const create = (options: object) => () => native!.createQueue(options);
  expect(create({ thread: 1 })).toThrow(/no option thread; expected device, index, threads\n.*mean threads/);
  const queue = create({ device: 'cpu', threads: 1 })();
  const inputs = [{ data: Float32Array.of(1, -2), shape: [2] }];
  expect(() => queue.call('relu_forward', { inputs, output: 1 } as never)).toThrow(/did you mean outputs/);
  expect(queue.call('relu_forward', { inputs, outputs: 1 })[0]!.data).toEqual(Float32Array.of(1, 0));
  queue.dispose();
});

describe.each(Object.entries(calls))('%s', (_name, [call, right, wrong, meant]) => {
  test('takes its options, and no others', async () => {
    await expect((async () => await call(right as never))()).resolves.not.toThrow();
    const failure = await (async () => await call(wrong as never))().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PolycomError);
    expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT', remedy: `did you mean ${meant}?` });
  });
});

test('a name that resembles none has no remedy; what is no object is refused', () => {
  const names = { epsilon: true, norm: true } as const;
  const check = (options: unknown) => () =>
    checkNames('op', options as { epsilon: number; norm: string }, names);
  expect(check({ epsilon: 1 })).not.toThrow();
  expect(check({ banana: 1 })).toThrow(/^op: there is no option banana; expected epsilon, norm$/);
  expect(check({ ['x'.repeat(1e6)]: 1 })).toThrow(/there is no option x{80}…/);
  expect(check(null)).toThrow(/the options are null; expected an object/);
  expect(check(1e-5)).toThrow(/the options are 0.00001; expected an object/);
});
