/** Every kind of tokenizer in one file: the last cases go over all of them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, type TestContext, test } from 'vitest';
import { byteTokenizer } from '../../src/data/bytes.js';
import { loadTokenizer } from '../../src/data/load-tokenizer.js';
import { numberTokenizer } from '../../src/data/numbers.js';
import { byteCounter } from '../../src/data/text-bytes.js';
import { streamText, type Tokenizer } from '../../src/data/tokenizer.js';
import { BEGIN, END, sentencePieceJson, THE } from '../generate/sentencepiece.js';
import { bpeJson } from './bpe.js';
import { expectError, fresh, write } from './harness.js';

const library = await import('@huggingface/tokenizers').catch(() => undefined);
if (library === undefined) console.warn('skipped: the tests of tokenizer.json: no @huggingface/tokenizers');
const texts = fc.string({
  unit: fc.oneof(
    fc.constantFrom('the', ' the', '\n', 'é', 'aé', '😀', '漢', ' '),
    fc.string({ unit: 'binary' }),
  ),
});

function needsLibrary(context: TestContext): void {
  if (library === undefined) context.skip('no @huggingface/tokenizers');
}

function streamed(tokenizer: Tokenizer, ids: Iterable<number>): string {
  const stream = streamText(tokenizer);
  return Array.from(ids, (id) => stream.push(id)).join('') + stream.end();
}

describe('bytes', () => {
  test('any text comes back, whole and token by token', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const ids = byteTokenizer.encode(text);
        expect(ids.length).toBe(Buffer.byteLength(text));
        expect(byteTokenizer.decode(ids)).toBe(text);
        expect(streamed(byteTokenizer, ids)).toBe(text);
      }),
    );
  });

  test('what is not UTF-8 becomes U+FFFD, the end of text nothing, and no token is lost when streamed', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 256 })), (ids) => {
        const bytes = Buffer.from(ids.filter((id) => id < 256));
        const expected = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
        expect(byteTokenizer.decode(ids)).toBe(expected);
        expect(streamed(byteTokenizer, ids)).toBe(expected);
      }),
    );
  });

  test('a character is held back until its last byte', () => {
    const stream = streamText(byteTokenizer);
    expect(Array.from(byteTokenizer.encode('a😀é'), (id) => stream.push(id))).toEqual([
      'a',
      '',
      '',
      '',
      '😀',
      '',
      'é',
    ]);
    stream.push(0xf0);
    expect(stream.end()).toBe('\ufffd');
  });

  test.each([257, -1, 1.5, Number.NaN])('there is no token %d', (id) =>
    expectError(() => byteTokenizer.decode([id]), /expected a byte, or 256/),
  );
});

test('the synthetic language is written in numbers', async () => {
  const tokenizer = numberTokenizer(64);
  expect([...tokenizer.encode(' 12 7\n63 ')]).toEqual([12, 7, 63]);
  expect(tokenizer.decode([12, 7, 63])).toBe('12 7 63');
  expect(streamed(tokenizer, [12, 7, 63])).toBe('12 7 63');
  await expectError(() => tokenizer.encode('12 64'), /'64' is no token; expected numbers below 64/);
  await expectError(() => tokenizer.encode('the'), /'the' is no token/);
});

describe('a saved tokenizer', () => {
  test.each([byteTokenizer, numberTokenizer(30)])(
    '$name is found again without a library',
    async (tokenizer) => {
      const folder = fresh();
      mkdirSync(folder);
      await tokenizer.save!(folder);
      const { name, vocabulary, endOfText } = await loadTokenizer(folder);
      expect({ name, vocabulary, endOfText }).toEqual({
        name: tokenizer.name,
        vocabulary: tokenizer.vocabulary,
        endOfText: tokenizer.endOfText,
      });
    },
  );

  test('the byte tokenizer is the same one for the library of Hugging Face', async (context) => {
    needsLibrary(context);
    const folder = fresh();
    mkdirSync(folder);
    await byteTokenizer.save!(folder);
    const { readFileSync } = await import('node:fs');
    const json = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as object;
    const theirs = new library!.Tokenizer(json, {});
    fc.assert(
      fc.property(texts, (text) => {
        expect(theirs.encode(text).ids).toEqual([...byteTokenizer.encode(text)]);
      }),
    );
    expect(theirs.encode('a<|endoftext|>').ids).toEqual([97, 256]);
    expect([...byteTokenizer.encode('a<|endoftext|>b')]).toEqual([97, 256, 98]);
    const marked = fc.array(fc.constantFrom('<|endoftext|>', '<|endoftext', '<', '|>', 'é'));
    fc.assert(
      fc.property(marked, (parts) => {
        const text = parts.join('');
        expect(theirs.encode(text).ids).toEqual([...byteTokenizer.encode(text)]);
      }),
    );
  });
});

describe('tokenizer.json', () => {
  test('text becomes its tokens and comes back, whole and token by token', async (context) => {
    needsLibrary(context);
    const tokenizer = await loadTokenizer(write('bpe/tokenizer.json', JSON.stringify(bpeJson())));
    expect(tokenizer).toMatchObject({ vocabulary: 266, endOfText: 256 });
    expect([...tokenizer.encode('the in the')]).toEqual([116, 257, 32, 260, 259]);
    expect(tokenizer.encode('')).toHaveLength(0);
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([97, 256, 98])).toBe('ab');
    fc.assert(
      fc.property(texts, (text) => {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(streamed(tokenizer, ids)).toBe(text);
      }),
    );
    await expectError(() => tokenizer.decode([266]), /token 266 is not in the vocabulary/);
  });

  test('a stream of broken characters is not held back for ever', async (context) => {
    needsLibrary(context);
    const tokenizer = await loadTokenizer(write('bpe/tokenizer.json', JSON.stringify(bpeJson())));
    const stream = streamText(tokenizer);
    const text = Array.from({ length: 100 }, () => stream.push(0x80)).join('');
    expect(text.length).toBeGreaterThan(80);
    expect(text).toMatch(/^\ufffd+$/);
  });

  test('tokenizer_config.json names the end of text, and makes it another tokenizer', async (context) => {
    needsLibrary(context);
    const json = bpeJson();
    const plain = await loadTokenizer(write('plain/tokenizer.json', JSON.stringify(json)));
    const path = write('named/tokenizer.json', JSON.stringify(json));
    write('named/tokenizer_config.json', JSON.stringify({ eos_token: { content: 'he' } }));
    const named = await loadTokenizer(path);
    expect(named.endOfText).toBe(257);
    expect(named.name).not.toBe(plain.name);
    const copy = fresh();
    mkdirSync(copy);
    await named.save!(copy);
    expect(await loadTokenizer(copy)).toMatchObject({ name: named.name, endOfText: 257 });
    write('named/tokenizer_config.json', '{');
    await expectError(() => loadTokenizer(path), /tokenizer_config\.json is not/);
  });

  test.each([
    ['no JSON', '{"model"', /not JSON/],
    ['no object', '[]', /expected a JSON object/],
    ['an empty file', '', /not JSON/],
  ])('%s is refused', (name, text, message) =>
    expectError(() => loadTokenizer(write(`${name}.json`, text)), message),
  );

  test.each([
    ['of something else', {}],
    [
      'without a vocabulary',
      { ...bpeJson(), model: { type: 'BPE', vocab: {}, merges: [] }, added_tokens: [] },
    ],
  ])('one %s is refused', async (name, json) => {
    if (library === undefined) return expectNoLibrary(write(`${name}.json`, JSON.stringify(json)));
    await expectError(
      () => loadTokenizer(write(`${name}.json`, JSON.stringify(json))),
      /not a tokenizer\.json that can be used/,
    );
  });

  test.each(['WordLevel', 'Other'])('a model of the kind %s is not run, which is said', (type) => {
    const json = JSON.stringify({ ...bpeJson(), model: { type, vocab: { a: 0 }, unk_token: 'a' } });
    return expectError(
      () => loadTokenizer(write(`${type}.json`, json)),
      new RegExp(`its model is "${type}"; expected BPE`),
      'UNSUPPORTED',
    );
  });

  test('none is an error, with what can be given', () =>
    expectError(() => loadTokenizer('nowhere/tokenizer.json'), /remedy: give 'bytes', or the path/));
});

/** Where the library is absent, a `tokenizer.json` that needs it says so. */
async function expectNoLibrary(path: string): Promise<void> {
  await expectError(() => loadTokenizer(path), /npm install @huggingface\/tokenizers/, 'UNSUPPORTED');
}

describe('an absurd tokenizer.json is refused at once', () => {
  const json = bpeJson();
  const withId = (id: unknown) => ({
    ...json,
    model: { ...json.model, vocab: { ...json.model.vocab, odd: id } },
  });
  const withAdded = (...tokens: unknown[]) => ({
    ...json,
    added_tokens: [...(json.added_tokens as unknown[]), ...tokens],
  });
  /** The text of a tokenizer that has something in place of a number, which may be deeper than JSON.stringify writes. */
  const withText = (content: object, text: string) => JSON.stringify(content).replace('12345', text);
  const sequence = '{"type":"Sequence","pretokenizers":[';

  test.each<[string, unknown, RegExp]>([
    ['an id of a billion', withId(1e9), /the id of 'odd' is 1000000000, but its vocabulary has 267 tokens/],
    ['an added id of a billion', withAdded({ content: 'x', id: 1e9 }), /the id of 'x' is 1000000000/],
    ['an id beyond 2^53', withId(1e300), /the id of 'odd' is 1e\+300; expected a whole number/],
    ['no id', withId(null), /the id of 'odd' is null; expected a whole number, 0 or more/],
    ['an id below 0', withId(-1), /the id of 'odd' is -1/],
    ['half an id', withId(1.5), /the id of 'odd' is 1\.5/],
    ['a text for an id', withId('7'), /the id of 'odd' is "7"/],
    ['an object for an id', withId({ id: 7 }), /the id of 'odd' is \{"id":7\}/],
    ['an id that another has', withId(97), /'a' and 'odd' both have the id 97/],
    ['an end of text without an id', withAdded({ content: '<eos>', id: null }), /the id of '<eos>' is null/],
    [
      'an added id twice',
      withAdded({ content: 'x', id: 256 }),
      /'<\|endoftext\|>' and 'x' both have the id 256/,
    ],
    [
      'a token with two ids',
      withAdded({ content: 'a', id: 300 }),
      /the id of 'a' is 300 and 97; expected one/,
    ],
    [
      'an added token of nothing',
      withAdded({ content: '', id: 300 }),
      /one of its added_tokens is \{"content":""/,
    ],
    ['an added token that is none', withAdded(null), /one of its added_tokens is null/],
    ['no added tokens', { ...json, added_tokens: null }, /its added_tokens are null; expected a list/],
    ['no model', { ...json, model: null }, /its model is null; expected an object/],
    [
      'a vocabulary of brackets',
      withText(
        { ...json, model: { type: 'BPE', vocab: 12345 } },
        `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
      ),
      /of its vocabulary is \[/,
    ],
    [
      'a piece without a score',
      { ...json, model: { type: 'Unigram', vocab: [['a', 0], ['b']], unk_id: 0 } },
      /token 1 of its vocabulary is \["b"\]; expected a text and its score/,
    ],
    [
      'pieces of no length',
      { ...json, pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'FixedLength', length: 0 }] } },
      /the length of its pre_tokenizer is 0/,
    ],
    [
      'nested pre-tokenizers',
      withText({ ...json, pre_tokenizer: 12345 }, `${sequence.repeat(20_000)}${']}'.repeat(20_000)}`),
      /nested too deeply/,
    ],
  ])('%s', async (name, content, message) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    const path = write(`${name}.json`, text);
    if (library === undefined) return expectNoLibrary(path);
    await expectError(() => loadTokenizer(path), message); // at once: the test's time limit ends what is not
  });
});

/** Tokenizers that decode in different ways; each gives back the text it encoded. */
async function decoders(): Promise<[name: string, tokenizer: Tokenizer][]> {
  if (library === undefined) return [['bytes', byteTokenizer]];
  const piece = sentencePieceJson() as { decoder: object; added_tokens: object[] };
  const load = async (name: string, json: object): Promise<[string, Tokenizer]> => [
    name,
    await loadTokenizer(write(`decoders-${name}/tokenizer.json`, JSON.stringify(json))),
  ];
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: false };
  const added = { ...piece.added_tokens[0], id: 296, content: '<tag>', special: false };
  return [
    ['bytes', byteTokenizer],
    await load('bpe', bpeJson()),
    await load('sentencepiece', piece),
    await load('metaspace', {
      ...piece,
      decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, metaspace] },
    }),
    await load('added', { ...piece, added_tokens: [...piece.added_tokens, added] }),
  ];
}

describe.each(await decoders())('in its place (%s)', (name, tokenizer) => {
  const words = fc.string({
    unit: fc.constantFrom(
      'the',
      ' the',
      ' was',
      'é',
      '😀',
      '漢字',
      ' ',
      '\n',
      ...(name === 'added' ? ['<tag>'] : []),
    ),
    minLength: 1,
  });

  test('what tokens go on with joins what they follow, wherever that ends', () => {
    fc.assert(
      fc.property(words, fc.nat(), (text, at) => {
        const ids = [...tokenizer.encode(text)];
        const cut = at % (ids.length + 1);
        const stream = streamText(tokenizer, ids.slice(0, cut));
        const rest =
          ids
            .slice(cut)
            .map((id) => stream.push(id))
            .join('') + stream.end();
        // Of a character that the cut parts, nothing was said before it.
        const before = streamText(tokenizer);
        const said = ids
          .slice(0, cut)
          .map((id) => before.push(id))
          .join('');
        expect(said + rest).toBe(tokenizer.decode(ids));
      }),
    );
  });

  test('the bytes of its tokens add up to those of the text', () => {
    fc.assert(
      fc.property(words, (text) => {
        const ids = [...tokenizer.encode(text)];
        const bytes = ids.map((id, i) => byteCounter(tokenizer)(id, i === 0));
        expect(bytes.reduce((sum, count) => sum + count, 0)).toBe(Buffer.byteLength(tokenizer.decode(ids)));
        expect(Math.min(...bytes)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

test('special tokens have no bytes, and no text that a space would stand before', async (context) => {
  needsLibrary(context);
  const tokenizer = await loadTokenizer(write('special/tokenizer.json', JSON.stringify(sentencePieceJson())));
  expect([0, BEGIN, END].map((id) => byteCounter(tokenizer)(id, false))).toEqual([0, 0, 0]);
  expect([byteCounter(tokenizer)(THE, false), byteCounter(tokenizer)(THE, true)]).toEqual([4, 3]);
  const goesOn = (before: number[]) => streamText(tokenizer, before).push(THE);
  expect([[], [BEGIN], [BEGIN, END]].map(goesOn)).toEqual(['the', 'the', 'the']);
  expect([[THE], [THE, END], [THE, END, END, BEGIN], [THE, 9999]].map(goesOn)).toEqual(Array(4).fill(' the'));
  const stream = streamText(tokenizer, [BEGIN]);
  expect([THE, END, THE, END, END, THE].map((id) => stream.push(id)).join('')).toBe('the the the');
});
