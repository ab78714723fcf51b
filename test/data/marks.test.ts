import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { byteTokenizer } from '../../src/data/bytes.js';
import { loadTokenizer } from '../../src/data/load-tokenizer.js';
import { MarkSplitter } from '../../src/data/marks.js';
import { openData } from '../../src/data/open.js';
import { prepareShards } from '../../src/data/prepare.js';
import { openShards } from '../../src/data/shards.js';
import { peersPython } from '../../tools/python.js';
import { NO_TENSORFLOW, polycom } from '../cli/harness.js';
import { bpeJson } from './bpe.js';
import { expectError, fresh, readAll, write } from './harness.js';

const MARK = '<|endoftext|>';
const END = 256;
const library = await import('@huggingface/tokenizers').catch(() => undefined);
if (library === undefined) console.warn('skipped: marks of tokenizer.json: no @huggingface/tokenizers');

/** The documents of both sides, as text. */
function documentsIn(folder: string): string[] {
  return (['train', 'heldout'] as const).flatMap((side) => {
    const source = openShards(folder, side);
    const ids = readAll(source);
    source.close();
    const texts: string[] = [];
    for (let start = 0; start < ids.length; ) {
      const end = ids.indexOf(END, start);
      texts.push(byteTokenizer.decode(ids.subarray(start, end)));
      start = end + 1;
    }
    return texts;
  });
}

describe('a text is split at a mark', () => {
  test('wherever its pieces are cut', () => {
    const parts = fc.array(fc.constantFrom(MARK, '<|end', '|>', '\n', '\r\n', '\r', 'a', '😀', 'é '));
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 20 }), (all, size) => {
        const text = all.join('');
        const splitter = new MarkSplitter(MARK);
        const got = [''];
        const take = (some: Iterable<{ text: string; ends: boolean }>): void => {
          for (const part of some) {
            got[got.length - 1] += part.text;
            if (part.ends) got.push('');
          }
        };
        for (let i = 0; i < text.length; i += size) take(splitter.push(text.slice(i, i + size)));
        take(splitter.end());
        expect(got.slice(0, -1)).toEqual(text.split(/<\|endoftext\|>(?:\r?\n)?/));
      }),
    );
  });

  const stories = Array.from({ length: 300 }, (_, i) => `One day, story ${i}.\n`);
  const options = { tokenizer: byteTokenizer, splitAt: MARK };

  test.each(['\n', '\r\n'])('its documents are counted and end with the token (%j)', async (line) => {
    const out = fresh();
    const text = stories.map((story) => `${story}${MARK}${line}`).join('');
    const { about } = await prepareShards(write('stories.txt', text), out, options);
    expect(about).toMatchObject({ documents: 300, splitAt: MARK });
    expect(documentsIn(out).sort()).toEqual([...stories].sort());
    expect(about.sides.heldout.tokens).toBeGreaterThan(0);
    // Unsplit, it is one document, in which the mark is the token that it is in tokenizer.json.
    const whole = await prepareShards(write('stories.txt', text), fresh(), {
      tokenizer: byteTokenizer,
      heldOut: 0,
    });
    expect(whole.about.documents).toBe(1);
    expect(whole.about.sides.train.tokens).toBe(Buffer.byteLength(text) - 300 * (MARK.length - 1) + 1);
  });

  test('so are JSON lines, and other marks than the tokenizer has; a large text, too', async () => {
    const rows = [{ text: 'a---b' }, { text: '---' }, { text: 'c' }]
      .map((row) => JSON.stringify(row))
      .join('\n');
    const out = fresh();
    const settings = { tokenizer: byteTokenizer, splitAt: '---', heldOut: 0 };
    expect((await prepareShards(write('rows.jsonl', rows), out, settings)).about.documents).toBe(3);
    expect(documentsIn(out)).toEqual(['a', 'b', 'c']);
    const long = ['x'.repeat(1_500_000), 'é'.repeat(700_000), '', 'y'];
    await prepareShards(write('long.txt', long.join('---')), out, settings);
    expect(documentsIn(out)).toEqual([long[0], long[1], 'y']);
  });

  test('an empty mark is refused, and another one than prepared with', async () => {
    const input = write('refused.txt', stories.join(MARK));
    await expectError(
      () => prepareShards(input, fresh(), { ...options, splitAt: '' }),
      /mark to split at is empty/,
    );
    const out = fresh();
    await prepareShards(input, out, options);
    await expectError(
      () => openData(out, { splitAt: 'x' }),
      /prepared split at <\|endoftext\|>; expected a split at x/,
    );
    (await openData(out, { splitAt: MARK })).close();
    const [split, whole] = [await openData(input, { splitAt: MARK }), await openData(input)];
    expect(split.directory).not.toBe(whole.directory);
    split.close();
    whole.close();
  });

  test('by the command, too', () => {
    const input = write('told.txt', stories.join(`${MARK}\n`));
    const { stdout } = polycom(
      ['prepare', input, '--out', fresh(), '--split-at', MARK, '--json'],
      NO_TENSORFLOW,
    );
    expect(JSON.parse(stdout)).toMatchObject({ about: { documents: 300 } });
  });
});

test('the mark is the same token in Python', async (context) => {
  const python = await peersPython('tokenizers');
  const folder = fresh();
  mkdirSync(folder);
  return byteTokenizer.save!(folder).then(() => {
    const script = `import sys, tokenizers; print(tokenizers.Tokenizer.from_file(sys.argv[1]).encode('a${MARK}b').ids)`;
    const { status, stdout } = spawnSync(python, ['-c', script, join(folder, 'tokenizer.json')], {
      encoding: 'utf8',
    });
    if (status !== 0) return context.skip(`${python} lacks tokenizers (pip install tokenizers)`);
    expect(JSON.parse(stdout)).toEqual([...byteTokenizer.encode(`a${MARK}b`)]);
  });
});

describe.skipIf(library === undefined)('a tokenizer whose end of a text is not known', () => {
  const EOS = '<｜end▁of▁sentence｜>';
  const token = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const json = {
    ...bpeJson(),
    added_tokens: [
      { ...token, id: 266, content: '<｜begin▁of▁sentence｜>' },
      { ...token, id: 267, content: EOS },
    ],
  };
  const path = write('foreign/tokenizer.json', JSON.stringify(json));
  const three = ['a', 'b', 'c'].map((name) => write(`three/${name}.txt`, `${name} text\n`));

  test('says that documents are joined, and is told the token', async () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const tokenizer = await loadTokenizer(path);
    expect(tokenizer.endOfText).toBeUndefined();
    const joined = await prepareShards(three, fresh(), { tokenizer, heldOut: 0 });
    expect(joined.about.sides.train.tokens).toBe(
      three.reduce((sum, file) => sum + tokenizer.encode(readFileSync(file, 'utf8')).length, 0),
    );
    const said = write.mock.calls.map(([text]) => String(text));
    write.mockRestore();
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      /^polycom: 3 documents are joined without a border.*--end-of-text <token>.*: <｜end▁of▁sentence｜> <｜begin/,
    );

    const told = await loadTokenizer(path, { endOfText: EOS });
    expect(told).toMatchObject({ endOfText: 267, vocabulary: 268 });
    expect(told.name).not.toBe(tokenizer.name);
    const out = fresh();
    const parted = await prepareShards(three, out, { tokenizer: told, heldOut: 0 });
    expect(parted.about.sides.train.tokens).toBe(joined.about.sides.train.tokens + 3);
    expect(parted.about.tokenizer.endOfText).toBe(267);
    // The folder's tokenizer knows it from then on.
    expect(await loadTokenizer(out)).toMatchObject({ name: told.name, endOfText: 267 });
    (await openData(out, { endOfText: EOS })).close();
    expect([...told.encode(`a${EOS}b`)]).toEqual([97, 267, 98]);
  });

  test('a token that there is not is refused', async () => {
    await expectError(
      () => loadTokenizer(path, { endOfText: '<EOT>' }),
      /has no token '<EOT>' to end a text\n {2}remedy: its special tokens are: <｜end/,
    );
    await expectError(
      () => loadTokenizer('bytes', { endOfText: '<EOT>' }),
      /remedy: its end of a text is <\|endoftext\|>/,
    );
    expect(await loadTokenizer('bytes', { endOfText: MARK })).toBe(byteTokenizer);
  });

  test('the commands tell it', () => {
    const run = (...args: string[]): ReturnType<typeof polycom> =>
      polycom(
        ['prepare', ...three, '--out', fresh(), '--tokenizer', path, '--held-out', '0', ...args],
        NO_TENSORFLOW,
      );
    expect(run().stderr).toMatch(/^polycom: 3 documents are joined without a border.*\n$/);
    expect(run('--end-of-text', EOS).stderr).toBe('');
    expect(run('--end-of-text', 'no').stderr).toMatch(/has no token 'no'/);
  });
});

const wheel = process.env.POLYCOM_TEST_LITELLM;
if (wheel === undefined)
  console.warn(
    'skipped: tokenizers of DeepSeek and Anthropic: pip download --no-deps litellm, and name the wheel in POLYCOM_TEST_LITELLM',
  );

/** The tokenizer.json of that name in the wheel. */
function shipped(name: string): Buffer {
  const inside = `litellm/litellm_core_utils/tokenizers/${name}_tokenizer.json`;
  const script =
    'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))';
  const { status, stdout } = spawnSync('python3', ['-c', script, wheel!, inside], { maxBuffer: 1 << 26 });
  expect(status).toBe(0);
  return stdout;
}

describe.skipIf(wheel === undefined || library === undefined)('the tokenizer that ships with', () => {
  test.each([
    ['deepseek', '<｜end▁of▁sentence｜>', 1],
    ['anthropic', '<EOT>', 0],
  ])('%s ends a text where it is told to', async (name, end, id) => {
    const path = write(`${name}/tokenizer.json`, shipped(name));
    expect((await loadTokenizer(path)).endOfText).toBeUndefined();
    const tokenizer = await loadTokenizer(path, { endOfText: end });
    expect(tokenizer.endOfText).toBe(id);
    expect([...tokenizer.encode(end)]).toEqual([id]);
    const stories = ['One day.\n', 'Another day, 12345 漢字.\r\n\r\n  It ended.\n'];
    const out = fresh();
    const input = write(`${name}.txt`, stories.join(`${end}\n`));
    const { about } = await prepareShards(input, out, { tokenizer, heldOut: 0, splitAt: end });
    expect(about.documents).toBe(2);
    const source = openShards(out, 'train');
    expect([...readAll(source)]).toEqual(stories.flatMap((story) => [...tokenizer.encode(story), id]));
    source.close();
  });

  test.each(['deepseek', 'anthropic'])(
    '%s gives a long text the tokens that it has in Python',
    async (name) => {
      const path = write(`${name}/tokenizer.json`, shipped(name));
      const tokenizer = await loadTokenizer(path);
      const text = Array.from(
        { length: 12_000 },
        (_, i) => `${i} of a book, 漢字 it's\r\n${i % 3 ? '' : '\r\n  '}`,
      ).join('');
      const file = write(`${name}-book.txt`, text);
      const script = `import sys, json, tokenizers
text = open(sys.argv[2], newline='', encoding='utf8').read()
print(json.dumps(tokenizers.Tokenizer.from_file(sys.argv[1]).encode(text, add_special_tokens=False).ids))`;
      const python = spawnSync('python3', ['-c', script, path, file], {
        encoding: 'utf8',
        maxBuffer: 1 << 26,
      });
      const expected =
        python.status === 0 ? (JSON.parse(python.stdout) as number[]) : [...tokenizer.encode(text)];
      if (python.status !== 0) console.warn('python3 lacks tokenizers: compared with the whole text in Node');
      const out = fresh();
      await prepareShards(file, out, { tokenizer, heldOut: 0 });
      const source = openShards(out, 'train');
      expect(text.length).toBeGreaterThan(2 ** 18);
      expect([...readAll(source)]).toEqual(expected);
      source.close();
    },
  );
});
