import '../../../test/train/harness.js';
import * as tf from '@tensorflow/tfjs-core';
import type { TokenSource } from 'polycom/data';
import { Transformer } from 'polycom/model';
import { evaluate } from 'polycom/train';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../../test/native/harness.js';
import { backends, smallData, smallModel } from '../../../test/train/harness.js';
import { measureOverflow } from '../measure/overflow.js';
import { kindsOfPlay } from '../measure/play-kinds.js';
import { scoreTokens } from '../measure/score.js';

let model: Transformer;
let source: TokenSource;
beforeAll(async () => {
  await tf.setBackend(backends[0]!);
  model = Transformer.create(smallModel('tiny', { deviation: 0.5 }), { seed: 1 });
  source = (await smallData(2048)).heldOut;
});
afterAll(() => model.dispose());

test('scores are those of an evaluation, and top-1 is the share of right first guesses', async () => {
  const options = { batch: 3, time: 8 };
  const { all, kinds } = await scoreTokens(model, source, { ...options, windows: 12 });
  const { loss, tokens } = await evaluate(model, source, { ...options, batches: 4 });
  expect(all.tokens).toBe(tokens);
  expect(all.loss).toBeCloseTo(loss, 5);
  expect(all.perplexity).toBeCloseTo(Math.exp(loss), 4);
  expect(kinds).toEqual({});
  const windows = Math.floor((source.length - 1) / 8);
  let right = 0;
  for (let row = 0; row < 12; ++row) {
    const window = new Int32Array(9);
    source.read(Math.floor((row * windows) / 12) * 8, window);
    const logits = model.logits(tf.tensor2d(window.slice(0, 8), [1, 8], 'int32')).dataSync();
    for (let t = 0; t < 8; ++t) {
      const ofToken = [...logits.slice(t * 16, (t + 1) * 16)];
      if (ofToken.indexOf(Math.max(...ofToken)) === window[t + 1]) ++right;
    }
  }
  expect(all.top1).toBeCloseTo(right / 96, 12);
  expect(right).toBeGreaterThan(0);
});

test('kinds part the tokens, and their scores add up to that of all', async () => {
  const kindOf = (at: number) => ['even', 'odd', undefined][at % 3];
  const { all, kinds } = await scoreTokens(
    model,
    source,
    { batch: 4, time: 8, windows: 32 },
    (start, length) => Array.from({ length }, (_, t) => kindOf(start + t)),
  );
  const { even, odd } = kinds;
  const every = await scoreTokens(model, source, { batch: 4, time: 8, windows: 32 }, (start, length) =>
    Array.from({ length }, (_, t) => kindOf(start + t) ?? 'rest'),
  );
  const { rest } = every.kinds;
  expect(even!.tokens + odd!.tokens + rest!.tokens).toBe(all.tokens);
  const sum = [even!, odd!, rest!].reduce((total, { loss, tokens }) => total + loss * tokens, 0);
  expect(sum / all.tokens).toBeCloseTo(all.loss, 10);
  expect(even!.loss).not.toBeCloseTo(odd!.loss, 3);
});

test('a play has speakers, verse and prose', () => {
  const text = [
    'ROMEO:\nBut, soft! what light through yonder window breaks?\nIt is the east, and Juliet is the sun.\n',
    'Nurse:\nWell, you have made a simple choice; you know not\nhow to choose a man.\n',
    'JULIET:\nAy me!\n',
    'a line that nobody speaks\n',
  ].join('\n');
  const kinds = kindsOfPlay(new TextEncoder().encode(text));
  const kindAt = (words: string) => {
    const at = text.indexOf(words);
    return [...new Set(kinds.slice(at, at + words.length))];
  };
  expect(kindAt('ROMEO:\n')).toEqual(['speakers']);
  expect(kindAt('But, soft! what light through yonder window breaks?\nIt is')).toEqual(['verse']);
  expect(kindAt('Well, you have made')).toEqual(['prose']);
  expect(kindAt('how to choose a man.\n')).toEqual(['prose']);
  expect(kindAt('JULIET:')).toEqual(['speakers']);
  expect(kindAt('Ay me!')).toEqual([undefined]);
  expect(kindAt('a line that nobody speaks')).toEqual([undefined]);
  expect(kinds).toHaveLength(new TextEncoder().encode(text).length);
});

describe('16-bit operations', () => {
  const rows = measureOverflow();
  const of = (activation: string, order: number, dtype: string, method: string, sigma: number) =>
    rows.find(
      (row) =>
        row.activation === activation &&
        row.order === order &&
        row.dtype === dtype &&
        row.method === method &&
        row.sigma === sigma,
    )!;

  test('overflow where the powers do', () => {
    // x^6 of order 3 passes f16's 65504 at 6.35: the mean is infinite, its root's reciprocal 0, and the term is lost
    // without a trace. x^3 itself does so at 40.3: infinity times 0.
    expect(of('polynorm', 3, 'f16', 'eager', 1).error).toBeLessThan(0.01);
    expect(of('polynorm', 3, 'f16', 'eager', 10)).toMatchObject({ nonFinite: 0 });
    expect(of('polynorm', 3, 'f16', 'eager', 10).error).toBeGreaterThan(0.3);
    expect(of('polynorm', 3, 'f16', 'eager', 40).nonFinite).toBeGreaterThan(0);
    expect(of('polynorm', 1, 'f16', 'eager', 40).nonFinite).toBe(0);
    expect(of('polyrelu', 3, 'f16', 'eager', 10).nonFinite).toBe(0);
    expect(of('polyrelu', 3, 'f16', 'eager', 40).nonFinite).toBeGreaterThan(0);
    const bfloats = rows.filter(({ dtype }) => dtype === 'bf16');
    expect(bfloats.every(({ nonFinite }) => nonFinite === 0)).toBe(true);
  });

  test('do not in the kernels', (context) => {
    if (native === undefined) context.skip('there is no native library');
    const fused = rows.filter(({ method }) => method === 'fused');
    expect(fused).toHaveLength(rows.length / 2);
    for (const { activation, nonFinite, dtype, error } of fused) {
      if (activation === 'polynorm') expect(nonFinite).toBe(0);
      if (nonFinite === 0) expect(error).toBeLessThan(dtype === 'f16' ? 5e-4 : 4e-3);
    }
    const eager = of('polynorm', 3, 'bf16', 'eager', 1).error!;
    expect(eager / of('polynorm', 3, 'bf16', 'fused', 1).error!).toBeGreaterThan(1.5);
  });
});
