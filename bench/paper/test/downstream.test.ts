import '@tensorflow/tfjs';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { Data, SyntheticSource } from 'polycom/data';
import { byteTokenizer, openData } from 'polycom/data';
import { configOf, Transformer } from 'polycom/model';
import { crossEntropy } from 'polycom/transformer-ops';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../../test/checkpoint/folders.js';
import { measureDownstream } from '../measure/downstream.js';
import { choiceTask, clozeTask } from '../measure/tasks.js';
import { ROOT } from './runs.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const decode = (tokens: readonly number[]) => byteTokenizer.decode(tokens);

/** Data whose held-out text is this one. */
function textData(text: string): Data {
  const tokens = byteTokenizer.encode(text);
  const source = {
    length: tokens.length,
    vocabulary: 257,
    read: (start: number, into: Int32Array) => into.set(tokens.subarray(start, start + into.length)),
    close: () => undefined,
  };
  return { train: source, heldOut: source, tokenizer: byteTokenizer, close: () => undefined };
}

/** A model that only looks at what the caller says of each sequence, in the place of a trained one. */
function modelOf(vocabulary: number, logits: (tokens: number[]) => number[][]): Transformer {
  return {
    config: configOf('tiny', { vocabulary }),
    score: (tokens: tf.Tensor2D, targets: Int32Array) => {
      const rows = (tokens.arraySync() as number[][]).flatMap(logits).filter((_, i) => targets[i] !== -1);
      const labels = tf.tensor1d(
        targets.filter((target) => target !== -1),
        'int32',
      );
      const scored = tf.tensor2d(rows);
      return { losses: crossEntropy(scored, labels), best: tf.argMax(scored, -1) };
    },
  } as unknown as Transformer;
}

describe('tasks of a text', () => {
  const words =
    'the old king of the island gave every ship a golden sail and wise é words were never again said';
  const text = Array.from({ length: 40 }, (_, i) =>
    words
      .split(' ')
      .map((w, j) => (j % 7 === i % 7 ? `${w}${'abcdefghij'[i % 10]}` : w))
      .join(' '),
  ).join('\n');
  const data = textData(text);

  test('a cloze ends with a whole word of the text, and the space before it', () => {
    const { items, truth } = clozeTask(data, { items: 20, time: 64 });
    expect(items).toHaveLength(20);
    expect(truth).toBeUndefined();
    for (const { context, continuations } of items) {
      const [own] = continuations;
      expect(decode(own!.tokens)).toMatch(/^\s\p{L}{3,}$/u);
      const at = text.indexOf(decode([...context, ...own!.tokens]));
      expect(at).toBeGreaterThan(0);
      expect(text[at - 1]).toMatch(/\s/);
      expect(text[at + decode([...context, ...own!.tokens]).length]).not.toMatch(/\p{L}/u);
      expect(own!.length).toBe(own!.tokens.length);
      expect(context.length + own!.tokens.length).toBeLessThanOrEqual(64);
    }
  });

  test('a choice has its own end and those of three others, all different', () => {
    const { items } = choiceTask(data, { items: 20, time: 96 });
    const ends = items.map(({ continuations }) => decode(continuations[0]!.tokens));
    for (const [i, { context, continuations }] of items.entries()) {
      expect(text).toContain(decode([...context, ...continuations[0]!.tokens]));
      const texts = continuations.map(({ tokens }) => decode(tokens));
      expect(new Set(texts).size).toBe(4);
      for (const other of texts) expect(ends).toContain(other);
      expect(texts[0]).toBe(ends[i]);
      expect(texts[0]!.trim().split(/\s+/)).toHaveLength(5);
    }
  });

  test('fit the window with every continuation, however short that is', async () => {
    const model = Transformer.create(configOf('tiny', { layers: 1, context: 40 }));
    const { items } = choiceTask(data, { items: 30, time: 40 });
    expect(items.length).toBeGreaterThan(10);
    const longest = items.map(({ context, continuations }) => [
      context.length,
      context.length + Math.max(...continuations.map(({ tokens }) => tokens.length)),
    ]);
    for (const [context, all] of longest) {
      expect(context).toBeGreaterThan(0);
      expect(all).toBeLessThanOrEqual(40);
    }
    const { choice } = await measureDownstream(model, data, { items: 30 });
    expect(choice.items).toBe(items.length);
    model.dispose();
  });

  test('are the same for a seed, and others for another', () => {
    const make = (seed: number) =>
      [clozeTask, choiceTask].map((task) => task(data, { items: 9, time: 96, seed }).items);
    expect(make(3)).toEqual(make(3));
    expect(make(4)).not.toEqual(make(3));
  });

  test('are refused where there is too little text', () => {
    expect(() => clozeTask(textData('short'), { time: 64 })).toThrow(
      /5 held-out tokens, in passages of 64; expected/,
    );
    expect(() => choiceTask(textData(text.slice(0, 200)), { time: 96 })).toThrow(/at least 4 passages/);
    expect(() => choiceTask(textData(words.padEnd(96).repeat(9)), { time: 96 })).toThrow(
      /that end differently/,
    );
  });

  test('are scored by log-likelihood: who knows the text gets most, who knows nothing gets none', async () => {
    // Logits that are high on the byte that follows in the text, at the first place where what was read occurs.
    const knowing = modelOf(257, (tokens) =>
      tokens.map((_, t) => {
        const row = Array<number>(257).fill(0);
        const at = text.indexOf(decode(tokens.slice(0, t + 1)));
        if (at >= 0) row[byteTokenizer.encode(text.slice(at + t + 1, at + t + 2))[0] ?? 0] = 9;
        return row;
      }),
    );
    const ascii = textData(text.replaceAll(' é', ''));
    const all = await measureDownstream(knowing, ascii, { items: 6, time: 96 });
    expect(all.choice.normalised.value).toBeGreaterThan(0.6);
    const ignorant = await measureDownstream(
      modelOf(257, (tokens) => tokens.map(() => Array<number>(257).fill(0))),
      ascii,
      { items: 8, time: 96 },
    );
    // Four equal continuations but for their lengths; normalised, a tie, which is not right.
    expect(ignorant.choice.normalised).toEqual({ value: 0, error: 0 });
    expect(ignorant.choice.chance).toBe(0.25);
    expect(ignorant.cloze.accuracy.value).toBe(0);
    const lengths = clozeTask(ascii, { items: 8, time: 96 }).items.map(
      ({ continuations }) => continuations[0]!.tokens.length,
    );
    const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
    expect(ignorant.cloze.loss).toBeCloseTo(mean * Math.log(257), 4);
  });

  test('a model of NaN gets nothing', async () => {
    const broken = modelOf(257, (tokens) => tokens.map(() => Array<number>(257).fill(Number.NaN)));
    const { cloze, choice } = await measureDownstream(broken, data, { items: 8, time: 96 });
    expect([choice.accuracy.value, choice.normalised.value, cloze.accuracy.value]).toEqual([0, 0, 0]);
  });
});

describe('tasks of the synthetic language', () => {
  test('know what the language itself gets right, which a model that is the language gets too', async () => {
    const data = await openData('synthetic', { synthetic: { length: 8192, vocabulary: 16 } });
    const language = data.heldOut as SyntheticSource;
    const itself = modelOf(16, (tokens) =>
      tokens.map((token, t) =>
        Array.from({ length: 16 }, (_, next) =>
          t === 0 ? 0 : Math.log(language.probability(tokens[t - 1]!, token, next)),
        ),
      ),
    );
    const { cloze, choice } = await measureDownstream(itself, data, { items: 200, time: 16 });
    expect(cloze.accuracy.value).toBe(cloze.oracle);
    expect(choice.normalised.value).toBe(choice.oracle);
    expect(choice.accuracy).toEqual(choice.normalised);
    // Better than chance, and not certain; the loss is about the entropy.
    expect(cloze.oracle).toBeGreaterThan(2 / 16);
    expect(cloze.oracle).toBeLessThan(1);
    expect(choice.oracle).toBeGreaterThan(0.4);
    expect(Math.abs(cloze.loss - data.entropy!)).toBeLessThan(0.25);
    const { value } = choice.normalised;
    expect(choice.normalised.error).toBeCloseTo(Math.sqrt((value * (1 - value)) / 199), 12);
  });

  test('a real model takes them, and leaves nothing', async () => {
    const data = await openData('synthetic', { synthetic: { length: 4096 } });
    const model = Transformer.create(configOf('tiny', { vocabulary: 64, layers: 1, context: 16 }));
    const first = await measureDownstream(model, data, { items: 10, batch: 7 });
    const before = tf.memory().numTensors;
    expect(await measureDownstream(model, data, { items: 10, batch: 7 })).toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
    // The batch does not matter, nor do the continuations beside it.
    const { cloze } = await measureDownstream(model, data, { items: 10, batch: 1 });
    expect(cloze.loss).toBeCloseTo(first.cloze.loss, 5);
    model.dispose();
  });
});

const shakespeare = join(
  process.env.POLYCOM_TEST_DATA ?? join(ROOT, '../shared/data'),
  'tinyshakespeare.txt',
);

test('Shakespeare has enough passages', async (context) => {
  if (!existsSync(shakespeare)) return context.skip(`no ${shakespeare}`);
  const data = await openData(shakespeare, { directory: temporaryFolder() });
  const { items } = clozeTask(data, { time: 64 });
  expect(items).toHaveLength(256);
  expect(choiceTask(data, { time: 64 }).items).toHaveLength(256);
  expect(items.slice(0, 3).every(({ context: read }) => read.length > 8)).toBe(true);
  data.close();
});
