import { tensorflowStatus } from '../../src/tensorflow/index.js';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Decoder } from '../../src/generate/decoder.js';
import { complete, generate } from '../../src/generate/generate.js';
import { KeyValueBuffers } from '../../src/generate/kv-cache.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import { sampleToken } from '../../src/generate/sampling.js';
import { configOf } from '../../src/model/presets.js';
import { Transformer } from '../../src/model/transformer.js';
import { distance, MODELS, modelOf } from '../model/support.js';
import { wordTokenizer } from './fakes.js';

/** f32 against f64, as the model's own test has it; and f32 against f32 in another order. */
const CLOSE = 1e-5;

const hasTensorflow = tensorflowStatus.package !== undefined;
if (!hasTensorflow) console.warn(`skipped: generation on tfjs-node: ${tensorflowStatus.missing}`);

function tokenizerOf({ config: { vocabulary } }: Transformer) {
  return wordTokenizer(Array.from({ length: vocabulary }, (_, id) => `<${id}>`));
}

function smallModel(context: number): Transformer {
  const sizes = { vocabulary: 50, width: 16, layers: 2, heads: 2, kvHeads: 1, headWidth: 8, hidden: 16 };
  return Transformer.create(configOf('tiny', { ...sizes, context }));
}

/** Tokens of no particular pattern. */
function prompt({ config: { vocabulary } }: Transformer, length: number, salt: number): number[] {
  return Array.from({ length }, (_, i) => (i * i * 7 + i * salt + salt) % vocabulary);
}

/** The logits behind some tokens, without a cache. */
function uncached(model: Transformer, tokens: readonly number[]): Float32Array {
  return tf.tidy(() => {
    const logits = model.logits(tf.tensor2d([...tokens], [1, tokens.length], 'int32'));
    return tf.slice(logits, [0, tokens.length - 1, 0], [1, 1, -1]).dataSync() as Float32Array;
  });
}

describe.each(['tensorflow', 'cpu'])('on %s', (backend) => {
  describe.skipIf(backend === 'tensorflow' && !hasTensorflow)('generation', () => {
    let before = 0;
    beforeAll(async () => {
      await tf.setBackend(backend);
    });
    beforeEach(() => {
      before = tf.memory().numTensors;
    });
    afterEach(() => {
      expect(tf.memory().numTensors).toBe(before);
    });

    describe.each(MODELS)('by %s', (name) => {
      let model: Transformer;
      beforeAll(() => {
        model = modelOf(name).model;
        uncached(model, [0]); // makes the zeros that it keeps
      });
      afterAll(() => model.dispose());

      test('has PyTorch’s logits with a cache, token by token and several at once', () => {
        const { model: same, tokens, targets, wanted } = modelOf(name);
        const [batch, time] = tokens.shape;
        for (const cuts of [Array.from({ length: time + 1 }, (_, i) => i), [0, 3, 4, time]]) {
          const cache = new KeyValueBuffers(same.config, batch, time);
          const parts = cuts.slice(1).map((to, i) => {
            const width = to - cuts[i]!;
            const logits = tf.tidy(() => same.logits(tf.slice(tokens, [0, cuts[i]!], [batch, width]), cache));
            cache.advance(new Array<number>(batch).fill(width));
            return logits;
          });
          const logits = tf.concat(parts, 1);
          expect(distance(logits.dataSync(), wanted.get('logits')!.values)).toBeLessThan(CLOSE);
          tf.dispose([parts, logits]);
          cache.dispose();
        }
        tf.dispose([tokens, targets]);
        same.dispose();
      });

      test('each of several sequences has the logits that it has alone, as they grow, go and come', async () => {
        const lists = [9, 2, 5, 1].map((length, i) => prompt(model, length, i + 3));
        const check = (logits: Float32Array[]) => {
          for (const [row, list] of lists.entries()) {
            expect(distance(logits[row]!, uncached(model, list)), `row ${row}`).toBeLessThan(CLOSE);
          }
        };
        const { decoder, logits } = await Decoder.read(model, lists, 16);
        check(logits);
        const step = async (tokens: number[]) => {
          for (const [row, token] of tokens.entries()) lists[row]!.push(token);
          check(await decoder.step(tokens));
        };
        await step([1, 2, 3, 4]);
        await step([4, 3, 2, 1]);
        decoder.select([0, 2, 3]);
        lists.splice(1, 1);
        await step([5, 6, 7]);
        await decoder.restart(1, [8, 9]);
        lists[1] = [8, 9];
        expect(decoder.lengths).toEqual([12, 2, 4]);
        await step([1, 1, 1]);
        decoder.select([2, 0, 0]);
        lists.splice(0, 3, lists[2]!, lists[0]!, [...lists[0]!]);
        await step([1, 2, 3]);
        expect(decoder.lengths).toEqual([6, 14, 14]);
        decoder.dispose();
      });

      test('chooses what the whole sequence without a cache would', async () => {
        const lists = [5, 1, 8].map((length, i) => prompt(model, length, i));
        const options = { tokens: 6, topK: 20, temperature: 0.7, repetitionPenalty: 1.1 };
        for (const temperature of [0, 0.7]) {
          const texts = await complete(model, tokenizerOf(model), lists, {
            ...options,
            temperature,
            seed: 9,
          });
          for (const [row, list] of lists.entries()) {
            const [alone] = await complete(model, tokenizerOf(model), [list], {
              ...options,
              temperature,
              seed: 9 + row,
            });
            expect(alone).toEqual(texts[row]);
            if (temperature > 0) continue;
            const all = [...list];
            for (let i = 0; i < 6; ++i) {
              all.push(sampleToken(uncached(model, all), all, { ...options, temperature }, () => 0));
            }
            expect(texts[row]!.tokens).toEqual(all.slice(list.length));
          }
        }
      });
    });

    test('forgets the older half where the context is full', async () => {
      const model = smallModel(8);
      const lists = [prompt(model, 5, 1), prompt(model, 20, 2)];
      const options: GenerateOptions = { temperature: 0, tokens: 14, overflow: 'slide' };
      const texts = await complete(model, tokenizerOf(model), lists, options);
      for (const [row, list] of lists.entries()) {
        let window = list.length > 8 ? list.slice(-4) : [...list];
        const tokens: number[] = [];
        for (let i = 0; i < 14; ++i) {
          const token = sampleToken(uncached(model, window), [], options, () => 0);
          tokens.push(token);
          window = [...(window.length === 8 ? window.slice(-4) : window), token];
        }
        expect(texts[row]).toMatchObject({ tokens, reason: 'tokens' });
      }
      model.dispose();
    });

    test.each<[string, number, GenerateOptions]>([
      // tfjs's own kernels on the CPU, in JavaScript, are slow at long contexts.
      ...(backend === 'cpu' ? [] : [['in one context', 1003, {}] as [string, number, GenerateOptions]]),
      ['in a context that slides', 64, { overflow: 'slide' }],
    ])(
      'leaks nothing in 1,000 tokens, %s: tensors and bytes stay as they are',
      async (_, context, options) => {
        const model = smallModel(context);
        const during = new Set<string>();
        let count = 0;
        const all = { ...options, tokens: 1000 };
        for await (const _piece of generate(model, tokenizerOf(model), [[1, 2, 3]], all)) {
          const { numTensors, numBytes } = tf.memory();
          during.add(`${numTensors} tensors, ${numBytes} bytes`);
          ++count;
        }
        expect(count).toBe(1000);
        expect([...during]).toHaveLength(1);
        model.dispose();
      },
    );
  });
});
