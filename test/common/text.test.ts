import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { readDocument } from '../../src/bench/document.js';
import { readAnyDocument } from '../../src/bench/models/document.js';
import { readJson } from '../../src/checkpoint/json.js';
import { readConfigFile } from '../../src/cli/config-file.js';
import { PolycomError } from '../../src/common/errors.js';
import { decodeText, readText, readTextSync, Utf8Decoder } from '../../src/common/text.js';
import { byteTokenizer, byteTokenizerJson } from '../../src/data/bytes.js';
import { loadTokenizer } from '../../src/data/load-tokenizer.js';
import { prepareShards } from '../../src/data/prepare.js';

const folder = mkdtempSync(join(tmpdir(), 'polycom-text-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
function file(content: string | Uint8Array, name = 'file'): string {
  const path = join(folder, `${made++}-${name}`);
  writeFileSync(path, content);
  return path;
}

/** Text in another encoding; with a mark where it begins with U+FEFF. */
function encoded(text: string, bytes: 2 | 4, endian: 'LE' | 'BE'): Buffer {
  const units = bytes === 2 ? Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)) : [];
  const points = bytes === 4 ? Array.from(text, (character) => character.codePointAt(0)!) : [];
  const out = Buffer.alloc((units.length + points.length) * bytes);
  for (const [i, value] of [...units, ...points].entries()) {
    if (endian === 'LE') out.writeUIntLE(value, i * bytes, bytes);
    else out.writeUIntBE(value, i * bytes, bytes);
  }
  return out;
}

async function errorOf(work: () => unknown): Promise<PolycomError> {
  const error = await Promise.resolve()
    .then(work)
    .catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(PolycomError);
  return error as PolycomError;
}

const options = (): Command => new Command().option('--steps <n>').option('--config <file>');
const shards = (path: string): unknown =>
  prepareShards(path, join(folder, `out-${made++}`), { tokenizer: byteTokenizer });

/** Everything that reads what a person may have written, with something that it takes. */
const readers: readonly [string, (path: string) => unknown, string][] = [
  ['readText', readText, 'text'],
  ['readTextSync', readTextSync, 'text'],
  ['config.json and its like', readJson, '{"a": "é"}'],
  ['tokenizer.json', async (path) => (await loadTokenizer(path)).name, JSON.stringify(byteTokenizerJson())],
  [
    '--config',
    (path) => {
      const command = options();
      readConfigFile(command, path);
      return command.opts();
    },
    '{"steps": 3}',
  ],
];

describe('a text that a person wrote', () => {
  test.each(readers)('%s: a byte order mark is left out', async (_, read, text) => {
    expect(await read(file(`\ufeff${text}`))).toEqual(await read(file(text)));
  });

  const all: typeof readers = [
    ...readers,
    ['a document of a benchmark', readDocument, '{}'],
    ['a document of either benchmark', readAnyDocument, '{}'],
    ['text to prepare', shards, 'text'],
    ['JSON lines', shards, '{"text": "a"}\n'],
  ];

  test.each(all)('%s: what is not UTF-8 is refused with the remedy', async (name, read, text) => {
    const suffix = name === 'JSON lines' ? 'a.jsonl' : 'a';
    const cases: readonly [Uint8Array, RegExp, RegExp][] = [
      [encoded(`\ufeff${text}`, 2, 'LE'), /byte order mark of UTF-16/, /iconv -f UTF-16 -t UTF-8/],
      [encoded(`\ufeff${text}`, 2, 'BE'), /byte order mark of UTF-16/, /iconv -f UTF-16 -t UTF-8/],
      [encoded(`\ufeff${text}`, 4, 'LE'), /byte order mark of UTF-32/, /iconv -f UTF-32 -t UTF-8/],
      [encoded(`\ufeff${text}`, 4, 'BE'), /byte order mark of UTF-32/, /iconv -f UTF-32 -t UTF-8/],
      [encoded(text, 2, 'LE'), /those of UTF-16LE/, /iconv -f UTF-16LE -t UTF-8/],
      [encoded(text, 2, 'BE'), /those of UTF-16BE/, /iconv -f UTF-16BE -t UTF-8/],
      [encoded(text, 4, 'LE'), /those of UTF-32LE/, /iconv -f UTF-32LE -t UTF-8/],
      [encoded(text, 4, 'BE'), /those of UTF-32BE/, /iconv -f UTF-32BE -t UTF-8/],
      [Buffer.concat([Buffer.from(text), Buffer.alloc(5000)]), /zeros/, /tr -d '\\000'/],
    ];
    for (const [bytes, message, remedy] of cases) {
      const path = file(bytes, suffix);
      const error = await errorOf(() => read(path));
      expect(error.message).toMatch(message);
      expect(error.message.startsWith(path)).toBe(true);
      expect(error.remedy).toMatch(remedy);
    }
  });

  test.each(all.filter(([name]) => name !== 'JSON lines'))('%s: nor is Latin-1', async (_, read, text) => {
    const error = await errorOf(() =>
      read(file(Buffer.concat([Buffer.from(text), Buffer.from('caf\xe9 au lait', 'latin1')]))),
    );
    expect(error.message).toMatch(/no UTF-8 text: byte \d+ or one/);
    expect(error.remedy).toMatch(/iconv -f <encoding> -t UTF-8/);
  });

  test('the code is that of the caller', async () => {
    const path = file(Buffer.from([0xff]));
    expect((await errorOf(() => readText(path))).code).toBe('INVALID_ARGUMENT');
    expect((await errorOf(() => readJson(path))).code).toBe('INVALID_FILE');
  });
});

describe('bytes', () => {
  test('any text comes back, whatever its chunks', () => {
    const text = fc.string({ unit: 'binary' }).map((value) => value.replaceAll('\0', ''));
    fc.assert(
      fc.property(text, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (value, sizes) => {
        const wanted = Buffer.from(value)
          .toString()
          .replace(/^\ufeff/, '');
        const bytes = Buffer.from(value);
        expect(decodeText(bytes, { name: 'it' })).toBe(wanted);
        const decoder = new Utf8Decoder({ name: 'it' });
        let got = '';
        for (let start = 0; start < bytes.length; ) {
          const end = start + sizes.next().value;
          got += decoder.push(bytes.subarray(start, end));
          start = end;
        }
        expect(got + decoder.end()).toBe(wanted);
      }),
    );
  });

  test.each([2, 4] as const)('text of the world in %i bytes a character is named', async (bytes) => {
    for (const text of [
      'Grüße, und so weiter\n',
      'Привет, how are you today?\n',
      'x',
      '日本 and English text\n',
    ]) {
      for (const endian of ['LE', 'BE'] as const) {
        const error = await errorOf(() =>
          decodeText(encoded(text.repeat(20), bytes, endian), { name: 'it' }),
        );
        expect(error.message).toContain(`UTF-${bytes * 8}${endian}`);
      }
    }
  });

  test.each([
    ['one stray zero', Buffer.from('some text\0 and more'), /byte 9 is zero/],
    ['a zero at the end', Buffer.from('abc\0'), /byte 3 is zero/],
    ['a file that was only preallocated', Buffer.alloc(100_000), /byte 0 and the next 99,999 are zeros/],
    [
      'a hole',
      Buffer.concat([Buffer.from('abc'), Buffer.alloc(40), Buffer.from('d')]),
      /byte 3 and the next 39/,
    ],
    ['a program', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0]), /byte 7 /],
  ])('%s is called that', async (_, bytes, message) => {
    const error = await errorOf(() => decodeText(bytes, { name: 'it' }));
    expect(error.message).toMatch(message);
    expect(error.remedy).toMatch(/tr -d '\\000'/);
  });
});
