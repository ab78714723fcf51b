import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { byteTokenizer } from '../../src/data/bytes.js';
import { complete, generate } from '../../src/generate/generate.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import type { Piece } from '../../src/generate/sequence.js';
import { learnt, parrot, wordTokenizer } from './fakes.js';

const GREEDY = { temperature: 0 };
/** Every letter stands in it once, so that what follows a letter is certain. */
const TEXT = 'the quick 日n😀.';

beforeAll(() => tf.setBackend('cpu'));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

async function pieces(text: string, prompts: string[], options: GenerateOptions): Promise<Piece[]> {
  return await all(generate(parrot(learnt(text)), byteTokenizer, prompts, options));
}

async function all(pieces: AsyncIterable<Piece>): Promise<Piece[]> {
  const list: Piece[] = [];
  for await (const piece of pieces) list.push(piece);
  return list;
}

describe('a text', () => {
  test('comes token by token, in whole characters, and ends where the model ends it', async () => {
    const got = await pieces(TEXT, ['k'], GREEDY);
    const bytes = [...learnt(TEXT)].slice('the quick'.length);
    expect(got.map(({ token }) => token)).toEqual(bytes);
    expect(got.map(({ text }) => text)).toEqual([' ', '', '', '日', 'n', '', '', '', '😀', '.', '']);
    expect(got.map(({ reason }) => reason)).toEqual([...Array(10).fill(undefined), 'end']);
  });

  test('has as many tokens as were asked for; what its last ones leave incomplete is said', async () => {
    const [text] = await complete(parrot(learnt(TEXT)), byteTokenizer, ['k'], { ...GREEDY, tokens: 3 });
    expect(text).toEqual({ text: ' \ufffd', tokens: [0x20, 0xe6, 0x97], reason: 'tokens' });
  });

  test.each([
    [['n'], ' 日'],
    [['日n'], ' '],
    [['n😀'], ' 日'],
    [['x', ' 日n😀.'], ''],
    [['ck'], ' 日n😀.'],
  ])('stops before %j, wherever tokens end', async (stop, wanted) => {
    const got = await pieces(TEXT, ['k'], { ...GREEDY, stop });
    expect(got.map(({ text }) => text).join('')).toBe(wanted);
    expect(got.at(-1)!.reason).toBe(wanted.endsWith('.') ? 'end' : 'stop');
    expect(got.filter(({ reason }) => reason !== undefined)).toHaveLength(1);
  });

  test('stops within a token', async () => {
    const tokenizer = wordTokenizer(['a', 'bcd', 'e', 'fg']);
    const model = parrot([0, 1, 2, 3], { vocabulary: 4 });
    const [text] = await complete(model, tokenizer, ['a'], { ...GREEDY, stop: ['cde'] });
    expect(text).toEqual({ text: 'b', tokens: [1, 2], reason: 'stop' });
  });

  test('goes on after its end where that is to be ignored', async () => {
    const model = parrot([...learnt('abc'), 97]);
    const [text] = await complete(model, byteTokenizer, ['b'], { ...GREEDY, tokens: 5, ends: [] });
    expect(text).toEqual({ text: 'cabc', tokens: [99, 256, 97, 98, 99], reason: 'tokens' });
  });

  test('ends and begins with the tokens that are said to', async () => {
    const model = parrot([3, ...learnt('abc')]);
    const [text] = await complete(model, byteTokenizer, [''], { ...GREEDY, begin: [7, 3], ends: [1, 99] });
    expect(text).toEqual({ text: 'ab', tokens: [97, 98, 99], reason: 'end' });
    expect(model.calls[0]).toEqual([[7, 3]]);
  });

  test('begins behind the end of another where the prompt is empty', async () => {
    const [text] = await complete(parrot([256, ...learnt('abc')]), byteTokenizer, [''], GREEDY);
    expect(text!.text).toBe('abc');
  });

  test('has no token that the tokenizer does not know, though the model has logits of it', async () => {
    const model = parrot([0, 3, 3, 3], { vocabulary: 8 });
    const [text] = await complete(model, wordTokenizer(['a', 'b']), ['a'], { tokens: 40 });
    expect(text!.tokens.every((token) => token < 2)).toBe(true);
  });

  test('is less repetitive with a penalty: the prompt counts', async () => {
    const words = wordTokenizer(['a', 'b', 'c']);
    const constant = {
      config: parrot([0, 0], { vocabulary: 3 }).config,
      logits: ({ shape }: tf.Tensor2D) => tf.tile(tf.tensor3d([5, 4, -1], [1, 1, 3]), [...shape, 1]),
    };
    const text = async (repetitionPenalty: number) =>
      (await complete(constant, words, ['a'], { ...GREEDY, tokens: 4, repetitionPenalty }))[0]!.text;
    expect(await text(1)).toBe('aaaa');
    expect(await text(2)).toBe('baaa'); // 2.5 and 4, then 2.5 and 2
  });
});

describe('several texts', () => {
  test('of different lengths each end in their own time, and only what goes on is computed', async () => {
    const model = parrot(learnt('abcdefgh'));
    const got = await all(generate(model, byteTokenizer, ['abcde', 'g', 'bcdef'], GREEDY));
    const shown = got.map(({ row, text, reason }) => `${row}${text}${reason ?? ''}`);
    expect(shown).toEqual('0f 1h 2g 0g 1end 2h 0h 2end 0end'.split(' '));
    expect(model.calls.map((rows) => rows.length)).toEqual([3, 3, 2, 1]);
    expect(model.calls[0]!.map((row) => row.length)).toEqual([5, 5, 5]);
  });

  test('of the same prompt read it once, and differ by their seeds', async () => {
    const model = parrot([97, 98]);
    const texts = await complete(model, byteTokenizer, ['aa', 'b', 'aa'], { tokens: 12, seed: 5 });
    expect(model.calls[0]).toHaveLength(2);
    expect(model.calls[1]).toHaveLength(3);
    expect(texts[0]!.tokens).not.toEqual(texts[2]!.tokens);
    const [alone] = await complete(model, byteTokenizer, ['aa'], { tokens: 12, seed: 7 });
    expect(alone).toEqual(texts[2]);
  });

  test('of none are none', async () => {
    expect(await complete(parrot([1, 2]), byteTokenizer, [])).toEqual([]);
  });
});

describe('where the context is full', () => {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz';

  test('the text ends', async () => {
    const model = parrot(learnt(alphabet), { context: 8 });
    const texts = await complete(model, byteTokenizer, ['abc', 'cdefghij', 'q'], GREEDY);
    expect(texts.map(({ text, reason }) => [text, reason])).toEqual([
      ['defgh', 'context'],
      ['', 'context'],
      ['rstuvwx', 'context'],
    ]);
  });

  test('half of it is forgotten, where it shall slide', async () => {
    const model = parrot(learnt(alphabet), { context: 8 });
    const options = { ...GREEDY, overflow: 'slide' } as const;
    const texts = await complete(model, byteTokenizer, ['abc', 'r', 'defghijklmnopq'], options);
    const wanted = [alphabet.slice(3), alphabet.slice(18), alphabet.slice(17)];
    expect(texts.map(({ text, reason }) => [text, reason])).toEqual(wanted.map((text) => [text, 'end']));
    const read = model.calls.filter((rows) => rows[0]!.length > 1);
    const letters = read.map((rows) => rows.map((row) => byteTokenizer.decode(row)));
    // The prompts, the last of which is its own later half; then four letters each time that one of them is full.
    expect(letters[0]!.map((text) => text.replaceAll('\0', ''))).toEqual(['abc', 'r', 'nopq']);
    expect(letters.slice(1)).toEqual([
      ['rstu'],
      ['efgh'],
      ['vwxy'],
      ['vwxy'],
      ['ijkl'],
      ['mnop'],
      ['qrst'],
      ['uvwx'],
    ]);
  });
});

test('long prompts are read in parts', async () => {
  const model = parrot(learnt('ab'), { context: 2000 });
  const lengths = [1100, 3, 512, 513];
  const prompts = lengths.map((length) => 'x'.repeat(length - 1).concat('a'));
  const texts = await complete(model, byteTokenizer, prompts, GREEDY);
  expect(texts.map(({ text }) => text)).toEqual(['b', 'b', 'b', 'b']);
  expect(model.calls.map((rows) => rows[0]!.length)).toEqual([512, 512, 76, 1]);
});

test('leaving early frees everything', async () => {
  for await (const piece of generate(parrot(learnt(TEXT)), byteTokenizer, ['t', 'q'], GREEDY)) {
    if (piece.text === 'h') break;
  }
});

test('a model that fails frees everything', async () => {
  const model = parrot(learnt('abcdef'));
  const failing = {
    ...model,
    logits: (tokens: tf.Tensor2D) => {
      if (model.calls.length === 2) throw new Error('no more');
      return model.logits(tokens);
    },
  };
  await expect(complete(failing, byteTokenizer, ['a'], GREEDY)).rejects.toThrow('no more');
});

describe('errors say what is wrong', () => {
  const model = parrot([1, 2], { context: 4, vocabulary: 120 });
  test.each<[string, GenerateOptions, RegExp]>([
    ['a', { temperature: -1 }, /temperature is -1; expected a number, 0 or more/],
    ['a', { temperature: Number.NaN }, /temperature is NaN/],
    ['a', { topK: 0 }, /topK is 0; expected a whole number, 1 or more/],
    ['a', { topP: 0 }, /topP is 0; expected a number above 0, at most 1/],
    ['a', { repetitionPenalty: 0 }, /repetitionPenalty is 0/],
    ['a', { tokens: 1.5 }, /tokens is 1\.5/],
    ['a', { stop: ['x', ''] }, /stop is \["x",""\]; expected strings that are not empty/],
    ['a', { ends: [-1] }, /ends is \[-1\]; expected a list of tokens/],
    ['a', { seed: 0.5 }, /seed is 0\.5/],
    ['a', { overflow: 'wrap' as 'stop' }, /overflow is "wrap"; expected 'stop' or 'slide'/],
    ['a', { top: 1 } as GenerateOptions, /no option top; expected temperature/],
    ['abcde', {}, /prompt 0 has 5 tokens; the model's context has room for 4\n.*slide/],
  ])('%j %o', async (prompt, options, message) => {
    await expect(complete(model, byteTokenizer, [prompt], options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });

  test('a token that the model lacks', async () => {
    await expect(complete(model, byteTokenizer, ['a', 'é', [1]])).rejects.toThrow(
      /prompt 1 has the token 195; the model's vocabulary has 120\n.*trained with/,
    );
    for (const token of [-1, 0.5, 120]) {
      await expect(complete(model, byteTokenizer, [[token]])).rejects.toThrow(`has the token ${token};`);
    }
  });

  test('an empty prompt without a token to begin with', async () => {
    await expect(complete(model, wordTokenizer(['a', 'b']), [''])).rejects.toThrow(/prompt 0 is empty/);
  });

  test('a context that has no half', async () => {
    const tiny = parrot([1, 2], { context: 1 });
    await expect(complete(tiny, byteTokenizer, ['a'], { overflow: 'slide' })).rejects.toThrow(/has no half/);
  });
});
