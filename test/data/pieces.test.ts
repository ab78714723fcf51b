import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../src/data/load-tokenizer.js';
import { openData } from '../../src/data/open.js';
import { PieceEncoder } from '../../src/data/pieces.js';
import type { Tokenizer } from '../../src/data/tokenizer.js';
import { readAll, write } from './harness.js';
import { kinds } from './kinds.js';

const library = await import('@huggingface/tokenizers').catch(() => undefined);
if (library === undefined) console.warn('skipped: chunks of a text: no @huggingface/tokenizers');

async function tokenizerOf(kind: string): Promise<Tokenizer> {
  return loadTokenizer(write(`kinds/${kind}/tokenizer.json`, JSON.stringify(kinds[kind])));
}

function inPieces(tokenizer: Tokenizer, pieces: readonly string[], chunk: number): number[] {
  const encoder = new PieceEncoder(tokenizer, chunk);
  const ids: number[] = [];
  const take = (some: Uint32Array): void => some.forEach((id) => void ids.push(id));
  for (const piece of pieces) for (const some of encoder.push(piece)) take(some);
  for (const some of encoder.end()) take(some);
  return ids;
}

const words = fc.constantFrom(
  'the',
  'then',
  'a',
  'that',
  'é',
  'aaaa',
  'Q',
  '漢字',
  '漢',
  '\u0e01\u0e38',
  '😀',
);
const marks = fc.constantFrom('.', ',', '...', '--', '----', '"', "'ll", '(', '。', '.)');
const digits = fc.constantFrom('1', '12', '1234', '123123123');
const spaces = fc.constantFrom(
  ' ',
  '  ',
  '\n',
  '\r\n',
  '\n\n',
  '\r\n\r\n',
  ' \n',
  '\n ',
  '\t',
  '\t\t',
  '\u00a0',
  '\r',
  '\u3000',
);
/** Text in which anything may stand beside anything, and something may go on for long. */
const texts = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.tuple(words, spaces).map((parts) => parts.join('')) },
      { weight: 3, arbitrary: fc.oneof(words, marks, digits, spaces) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.oneof(words, marks, digits, spaces), fc.integer({ min: 2, max: 120 }))
          .map(([unit, count]) => unit.repeat(Math.ceil(count / unit.length))),
      },
    ),
    { maxLength: 120 },
  )
  .map((parts) => parts.join(''));

describe.skipIf(library === undefined)('text in pieces has the tokens of the whole', () => {
  test.each(Object.keys(kinds))('%s: any text', async (kind) => {
    const tokenizer = await tokenizerOf(kind);
    fc.assert(
      fc.property(
        texts,
        fc.constantFrom(...(kind === 'Unigram' ? [150, 200] : [40, 100, 150])),
        fc.integer({ min: 1, max: 300 }),
        (text, chunk, size) => {
          const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
            text.slice(i * size, (i + 1) * size),
          );
          expect(inPieces(tokenizer, pieces, chunk)).toEqual([...tokenizer.encode(text)]);
        },
      ),
      { numRuns: 300 },
    );
  });

  const LONG = 72_000;
  const long = (line: (i: number) => string): string => {
    let text = '';
    for (let i = 0; text.length < LONG; ++i) text += line(i);
    return text;
  };
  const books: Readonly<Record<string, string>> = {
    'of Windows': long((i) => `line ${i} of a book\r\n`),
    'of paragraphs between blank lines': long((i) => `the paragraph ${i}.\n\n`),
    'of Chinese': long((i) => `漢字漢，漢漢${i % 7 ? '' : '。\n'}`),
    'of one endless line': long((i) => `漢a${i % 3 ? 'the' : ''}`),
    'of white space': `a${' '.repeat(LONG)}\n\n b`,
    'of digits': `a${'123'.repeat(LONG / 3)}4`,
  };
  test.each(
    Object.keys(books).flatMap((book) => ['Llama 3', 'Llama 2'].map((kind) => [book, kind] as const)),
  )('a book %s, %s', async (book, kind) => {
    const tokenizer = await tokenizerOf(kind);
    const [got, wanted] = [inPieces(tokenizer, [books[book]!], 1 << 14), tokenizer.encode(books[book]!)];
    expect(got).toHaveLength(wanted.length);
    expect(got.findIndex((id, i) => id !== wanted[i])).toBe(-1);
  });

  test('shards are made so', async () => {
    const tokenizer = await tokenizerOf('GPT-2');
    const text = books['of Windows']!.repeat(4);
    const data = await openData(write('windows.txt', text), { tokenizer, heldOut: 0 });
    expect([...readAll(data.train)]).toEqual([...tokenizer.encode(text), tokenizer.endOfText]);
    data.close();
  });

  test('the tokenizer is never given much at a time, whatever the text', async () => {
    const tokenizer = await tokenizerOf('Llama 3');
    let [most, all] = [0, 0];
    const counting: Tokenizer = {
      ...tokenizer,
      encode: (text) => {
        most = Math.max(most, text.length);
        all += text.length;
        return tokenizer.encode(text);
      },
    };
    const text = long((i) => `line ${i} of a book\r\n`);
    inPieces(counting, [text], 1 << 14);
    expect(most).toBeLessThan(3 << 14);
    expect(all).toBeLessThan(1.5 * text.length);
  });
});
