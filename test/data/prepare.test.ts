/** What `prepareShards` makes of texts, and what it refuses: one file, as all cases look into such folders by the same few functions. */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../src/common/store.js';
import { byteTokenizer } from '../../src/data/bytes.js';
import { prepareShards } from '../../src/data/prepare.js';
import { openShards, type Side } from '../../src/data/shards.js';
import type { Tokenizer } from '../../src/data/tokenizer.js';
import { expectError, fresh, readAll, write } from './harness.js';

const END = 256;

/** A text of many lines. */
function book(bytes: number, name = 'line'): string {
  let text = '';
  for (let i = 0; text.length < bytes; ++i) text += `${name} ${i}: the quick brown fox, é, 漢 and 😀\n`;
  return text;
}

/** The texts of one side, one for each end of text. */
function textsOf(folder: string, side: Side): string[] {
  const source = openShards(folder, side);
  const ids = readAll(source);
  source.close();
  const texts: string[] = [];
  for (let start = 0; start < ids.length; ) {
    const end = ids.indexOf(END, start);
    expect(end).toBeGreaterThanOrEqual(0);
    texts.push(byteTokenizer.decode(ids.subarray(start, end)));
    start = end + 1;
  }
  return texts;
}

const options = { tokenizer: byteTokenizer };

describe('what goes where', () => {
  test('one book is cut once, near its end, after a line', async () => {
    const text = book(3_000_000);
    const out = fresh();
    const { about } = await prepareShards(write('book.txt', text), out, options);
    const [[train], [held]] = [textsOf(out, 'train'), textsOf(out, 'heldout')];
    expect(train! + held!).toBe(text);
    expect(train!.endsWith('\n')).toBe(true);
    expect(held!.length / text.length).toBeCloseTo(0.05, 3);
    expect(about).toMatchObject({ documents: 1, bits: 16, share: 0.05, ignored: 0 });
    expect(about.sides.train.tokens).toBe(Buffer.byteLength(train!) + 1);
  });

  test('a book of one line is cut between characters', async () => {
    const text = '😀'.repeat(5001);
    const out = fresh();
    await prepareShards(write('line.txt', text), out, { ...options, heldOut: 0.1 });
    const texts = [...textsOf(out, 'train'), ...textsOf(out, 'heldout')];
    expect(texts.join('')).toBe(text);
    expect(texts[1]!.length / text.length).toBeCloseTo(0.1, 2);
  });

  test('of many documents, whole ones are held out, all along', async () => {
    const lines = Array.from(
      { length: 1000 },
      (_, i) => `document ${i}, of some length: ${'x'.repeat((i * 7) % 50)}`,
    );
    const json = lines.map((text) => JSON.stringify({ text, other: 1 })).join('\n');
    const out = fresh();
    const { about } = await prepareShards(write('many.jsonl', json), out, { ...options, heldOut: 0.1 });
    const [train, held] = [textsOf(out, 'train'), textsOf(out, 'heldout')];
    expect([...train, ...held].sort()).toEqual([...lines].sort());
    expect(about.documents).toBe(1000);
    const share = held.join('').length / lines.join('').length;
    expect(share).toBeGreaterThan(0.095);
    expect(share).toBeLessThan(0.105);
    const positions = held.map((text) => lines.indexOf(text));
    for (const tenth of Array(10).keys()) {
      expect(positions.some((position) => Math.floor(position / 100) === tenth)).toBe(true);
    }
  });

  test('nothing is held out of a share of 0', async () => {
    const out = fresh();
    await prepareShards(write('all.txt', book(1000)), out, { ...options, heldOut: 0 });
    expect(textsOf(out, 'train')).toEqual([book(1000)]);
    expect(openShards(out, 'heldout').length).toBe(0);
  });

  test('folders are read in the order of their names, and files of other kinds are not', async () => {
    write('corpus/b.txt', 'second');
    write('corpus/a/z.md', 'first');
    write('corpus/c.jsonl', '{"text":"third"}\n\n{"text":""}\n{"text":"fourth"}');
    write('corpus/picture.png', 'no');
    write('corpus/.hidden.txt', 'no');
    write('corpus/.git/x.txt', 'no');
    write('corpus/empty.txt', '');
    const elsewhere = write('elsewhere.txt', 'linked');
    const corpus = dirname(write('corpus/d.txt', '\ufeffwith a mark'));
    symlinkSync(elsewhere, join(corpus, 'e.txt'));
    const out = fresh();
    const { about } = await prepareShards([corpus, write('named.log', 'last')], out, {
      ...options,
      heldOut: 0,
    });
    const expected = ['first', 'second', 'third', 'fourth', 'with a mark', 'linked', 'last'];
    expect(textsOf(out, 'train')).toEqual(expected);
    expect(about).toMatchObject({ ignored: 1, documents: 7 });
  });

  test('another field of JSON lines can have the text', async () => {
    const out = fresh();
    const input = write('field.ndjson', '{"content":"one"}\r\n{"content":"two"}\r\n');
    await prepareShards(input, out, { ...options, field: 'content', heldOut: 0 });
    expect(textsOf(out, 'train')).toEqual(['one', 'two']);
  });
});

describe('shards', () => {
  test('have their sizes and checksums in the manifest, and read the same wherever they are cut', async () => {
    const input = write('cut.txt', book(20_000));
    const [whole, cut] = [fresh(), fresh()];
    await prepareShards(input, whole, options);
    const { about, files } = await prepareShards(input, cut, { ...options, shardTokens: 777 });
    expect(about.sides.train.shards.length).toBeGreaterThan(20);
    for (const { file, tokens } of about.sides.train.shards) {
      expect(tokens).toBeLessThanOrEqual(777);
      expect(files[file]).toEqual({ size: 2 * tokens, sha256: await sha256(join(cut, file)) });
    }
    const [one, many] = [openShards(whole, 'train'), openShards(cut, 'train')];
    const all = readAll(one);
    expect(readAll(many)).toEqual(all);
    for (let i = 0; i < 300; ++i) {
      const start = (i * 7919) % (all.length - 2000);
      const into = new Int32Array(1 + ((i * 31) % 2000));
      many.read(start, into);
      expect(into).toEqual(all.slice(start, start + into.length));
    }
    one.close();
    many.close();
    await expectError(() => many.read(0, new Int32Array(1)), /after it was closed/);
  });

  test('of a vocabulary beyond 65,536 have 32 bits', async () => {
    const wide: Tokenizer = {
      name: 'wide',
      vocabulary: 200_000,
      encode: (text) => Uint32Array.from(text, (letter) => letter.codePointAt(0)!),
      decode: (ids) => String.fromCodePoint(...Array.from(ids)),
    };
    const out = fresh();
    const text = '漢 and 😀\n'.repeat(100);
    const { about } = await prepareShards(write('wide.txt', text), out, { tokenizer: wide, heldOut: 0 });
    expect(about.bits).toBe(32);
    const source = openShards(out, 'train');
    expect(source.vocabulary).toBe(200_000);
    expect(wide.decode(readAll(source))).toBe(text);
    const narrow = { ...wide, vocabulary: 100 };
    await expectError(
      () => prepareShards(write('wide.txt', text), fresh(), { tokenizer: narrow }),
      /tokenizer wide gave token 28450; expected < 100/,
    );
  });

  test('take little memory to write and to read', async () => {
    const input = write('large.txt', '');
    const line = book(1 << 20);
    for (let i = 0; i < 96; ++i) appendFileSync(input, line);
    const code = `
      const { prepareShards } = await import('./src/data/prepare.js');
      const { openShards } = await import('./src/data/shards.js');
      const { byteTokenizer } = await import('./src/data/bytes.js');
      const before = process.resourceUsage().maxRSS;
      await prepareShards(process.env.INPUT, process.env.OUT, { tokenizer: byteTokenizer });
      const source = openShards(process.env.OUT, 'train');
      const window = new Int32Array(1025);
      for (let i = 0; i < 5000; ++i) source.read((i * 104729) % (source.length - 1025), window);
      console.log((process.resourceUsage().maxRSS - before) / 1024, source.length);`;
    const { stdout } = await run(code, { INPUT: input, OUT: fresh() }).ended;
    const [mebibytes, tokens] = stdout.trim().split(' ').map(Number);
    expect(tokens).toBeGreaterThan(90e6);
    expect(mebibytes).toBeLessThan(150); // the tokens are 190 MiB
    rmSync(input);
  });
});

describe('what stands there', () => {
  const input = write('stands.txt', book(5000));

  function stamp(out: string): string {
    return readdirSync(out)
      .map((name) => `${name} ${statSync(join(out, name)).ino}`)
      .join();
  }

  test('is kept while it is whole and current', async () => {
    const out = fresh();
    const made = await prepareShards(input, out, options);
    const before = stamp(out);
    expect(await prepareShards(input, out, options)).toEqual(made);
    expect(stamp(out)).toBe(before);
  });

  function touched<T>(value: T): T {
    utimesSync(input, new Date(), new Date(Date.now() + 1e6));
    return value;
  }

  test.each([
    ['other settings', () => ({ ...options, heldOut: 0.2 })],
    ['another field', () => ({ ...options, field: 'other' })],
    ['another tokenizer', () => ({ tokenizer: { ...byteTokenizer, name: 'mine' } })],
    ['an input written since', () => touched(options)],
  ])('is replaced for %s', async (_, change) => {
    const out = fresh();
    const made = await prepareShards(input, out, options);
    const again = await prepareShards(input, out, change());
    expect(again.about).not.toEqual(made.about);
    expect(readdirSync(dirname(out)).filter((name) => name.startsWith('.aside'))).toEqual([]);
    expect(openShards(out, 'train').length).toBe(again.about.sides.train.tokens);
  });

  test.each([
    ['a flipped bit', (path: string) => flip(path, 100)],
    ['a cut shard', (path: string) => truncateSync(path, 100)],
    ['a missing shard', (path: string) => rmSync(path)],
  ])('is made again after %s', async (_, harm) => {
    const out = fresh();
    await prepareShards(input, out, options);
    const whole = textsOf(out, 'train');
    harm(join(out, 'train-00000.bin'));
    await prepareShards(input, out, options);
    expect(textsOf(out, 'train')).toEqual(whole);
  });

  test('is not touched where it is anything else', async () => {
    const out = fresh();
    mkdirSync(out);
    await prepareShards(input, out, options); // an empty folder is as good as none
    writeFileSync(join(out, 'thesis.tex'), 'mine');
    await expectError(() => prepareShards(input, out, { ...options, heldOut: 0.5 }), /holds other things/);
    expect(readFileSync(join(out, 'thesis.tex'), 'utf8')).toBe('mine');
    const mine = dirname(write('mine/notes.txt', 'mine'));
    await expectError(() => prepareShards(input, mine, options), /is not empty, and holds other things/);
    const refused = /cannot write .*: a file stands where a folder must/;
    await expectError(() => prepareShards(input, input, options), refused, 'FILE_ERROR');
    await expectError(() => prepareShards(input, join(input, 'in'), options), refused, 'FILE_ERROR');
    expect(readdirSync(mine)).toEqual(['notes.txt']);
  });

  test('tells a reader who uses it when it is replaced', async () => {
    const out = fresh();
    await prepareShards(input, out, { ...options, shardTokens: 100 });
    const source = openShards(out, 'train');
    source.read(0, new Int32Array(1));
    await prepareShards(input, out, { ...options, shardTokens: 100, heldOut: 0.3 });
    source.read(1, new Int32Array(1)); // from the file that it has open
    await expectError(() => source.read(3000, new Int32Array(1)), /prepared anew while it was in use/);
    source.close();
  });
});

describe('bad input', () => {
  const cases: readonly [string, string, string | Uint8Array, RegExp][] = [
    ['nothing', 'empty.txt', '', /empty\.txt is empty/],
    [
      'a byte that is none of UTF-8',
      'latin.txt',
      Buffer.from('abc\xe9 def', 'latin1'),
      /no UTF-8 text: byte 4 or one .*iconv/s,
    ],
    ['a packed file', 'text.txt.gz', Buffer.from([0x1f, 0x8b, 8, 0]), /no UTF-8 text: byte 1/],
    [
      'UTF-16',
      'wide.txt',
      Buffer.from('\ufeffabc', 'utf16le'),
      /byte order mark of UTF-16\n.*iconv -f UTF-16 /s,
    ],
    [
      'an end inside a character',
      'cut.txt',
      Buffer.from('漢').subarray(0, 2),
      /ends inside a character, at byte 2/,
    ],
    ['a line that is no JSON', 'bad.jsonl', '{"text":"a"}\n{"text":', /bad\.jsonl:2 is no JSON: .*cut off/s],
    [
      'a line without the field',
      'lack.jsonl',
      '{"text":"a"}\n{"body":"b","n":1}',
      /lack\.jsonl:2: no text 'text'; the line has body \(string\), n \(number\)\n.*--field/,
    ],
    [
      'a field that is no string',
      'list.jsonl',
      '{"text":["a"]}',
      /list\.jsonl:1: no text 'text'; .* text \(object\)/,
    ],
    ['a line that is no object', 'row.jsonl', '["a"]', /row\.jsonl:1: .* no object: \["a"\]/],
    [
      'a line that is no UTF-8',
      'latin.jsonl',
      Buffer.from('{"text":"\xe9"}', 'latin1'),
      /latin\.jsonl:1 is no JSON: it is no UTF-8/,
    ],
    ['lines without text', 'blank.jsonl', '{"text":""}\n\n', /the inputs have no text/],
    ['too little to hold any out', 'little.jsonl', '{"text":"a"}\n{"text":"b"}', /holds nothing out/],
  ];

  test.each(cases)('%s is refused', async (_, name, content, message) => {
    const out = fresh();
    await expectError(() => prepareShards(write(`bad/${name}`, content), out, options), message);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(dirname(out)).filter((entry) => entry.startsWith('.aside'))).toEqual([]);
  });

  test('a bad byte deep in a file is found', async () => {
    const text = Buffer.from(book(3_000_000));
    const at = 2_345_678;
    text[at] = 0xff;
    const promise = prepareShards(write('deep.txt', text), fresh(), options);
    const message = await promise.then(
      () => '',
      (error: Error) => error.message,
    );
    const named = Number(/byte (\d+) or one shortly before/.exec(message)![1]);
    expect(named - at).toBeGreaterThanOrEqual(0);
    expect(named - at).toBeLessThanOrEqual(3);
  });

  test('missing files, empty folders and special files are refused', async () => {
    await expectError(() => prepareShards('nowhere.txt', fresh(), options), /nowhere\.txt is not there/);
    await expectError(() => prepareShards([], fresh(), options), /no input/);
    const nothing = fresh();
    mkdirSync(nothing);
    await expectError(
      () => prepareShards(nothing, fresh(), options),
      /has nothing to read; expected files called \.txt/,
    );
    await expectError(() => prepareShards('/dev/null', fresh(), options), /no file and no folder/);
    const input = write('fine.txt', book(500));
    for (const heldOut of [-0.1, 1, Number.NaN]) {
      await expectError(
        () => prepareShards(input, fresh(), { ...options, heldOut }),
        /heldOut is .*; expected a number from 0 to below 1/,
      );
    }
    await expectError(
      () => prepareShards(input, fresh(), { ...options, shardTokens: 0 }),
      /shardTokens is 0; expected a whole number, 1 or more/,
    );
  });

  test('a file that grows while it is read is refused', async () => {
    const input = write('grows.txt', book(3_000_000));
    const onProgress = (): void => appendFileSync(input, 'more\n');
    await expectError(
      () => prepareShards(input, fresh(), { ...options, onProgress }),
      /changed while it was read/,
    );
  });
});

describe('a damaged folder', () => {
  const damages: readonly [string, (folder: string) => void, RegExp][] = [
    ['without a manifest', (folder) => rmSync(join(folder, 'manifest.json')), /no folder of token shards/],
    [
      'with half a manifest',
      (folder) => truncateSync(join(folder, 'manifest.json'), 50),
      /manifest\.json is damaged/,
    ],
    [
      'of another kind',
      (folder) => writeFileSync(join(folder, 'manifest.json'), '{"about":{}}'),
      /not the manifest of token shards/,
    ],
    ['of nothing', (folder) => writeFileSync(join(folder, 'manifest.json'), 'null'), /not the manifest/],
    ['of another version', (folder) => edit(folder, '"version": 1', '"version": 2'), /of another version/],
    [
      'whose manifest names other files',
      (folder) => edit(folder, '"file": "train-00000.bin"', '"file": "../x.bin"'),
      /manifest\.json is damaged: a shard of train is/,
    ],
    [
      'whose counts do not fit',
      (folder) => edit(folder, /"tokens": (\d+)/, '"tokens": 1$1'),
      /manifest\.json is damaged/,
    ],
    [
      'with a cut shard',
      (folder) => truncateSync(join(folder, 'train-00000.bin'), 11),
      /train-00000\.bin is damaged: 11 bytes/,
    ],
    [
      'without a shard',
      (folder) => rmSync(join(folder, 'heldout-00000.bin')),
      /heldout-00000\.bin is damaged: it is missing/,
    ],
  ];

  test.each(damages)('%s does not open', async (_, harm, message) => {
    const out = fresh();
    await prepareShards(write('damaged.txt', book(3000)), out, options);
    harm(out);
    await expectError(() => openShards(out, 'train'), message);
  });

  test('with a token beyond the vocabulary is found when that is read', async () => {
    const out = fresh();
    await prepareShards(write('damaged.txt', book(3000)), out, options);
    flip(join(out, 'train-00000.bin'), 401); // the high byte of token 200
    const source = openShards(out, 'train');
    source.read(0, new Int32Array(200));
    await expectError(
      () => source.read(150, new Int32Array(100)),
      /damaged: token 200 is \d+; expected < 257/,
    );
  });

  test('that shrinks while it is open is found', async () => {
    const out = fresh();
    await prepareShards(write('damaged.txt', book(3000)), out, options);
    const source = openShards(out, 'train');
    source.read(0, new Int32Array(10));
    truncateSync(join(out, 'train-00000.bin'), 100);
    await expectError(() => source.read(40, new Int32Array(20)), /damaged: it ends at byte 100/);
  });

  test('that loses a file while it is open is found', async () => {
    const out = fresh();
    await prepareShards(write('damaged.txt', book(3000)), out, { ...options, shardTokens: 100 });
    const source = openShards(out, 'train');
    for (const name of ['train-00000.bin', 'train-00020.bin']) rmSync(join(out, name));
    source.read(0, new Int32Array(100)); // from the file that it has open
    await expectError(
      () => source.read(2000, new Int32Array(1)),
      /train-00020\.bin cannot be opened: ENOENT/,
    );
    source.close();
  });

  test('that is no folder is none', async () => {
    await expectError(() => openShards('nowhere', 'train'), /no folder of token shards.*remedy/s);
  });
});

test('a killed run leaves no half folder, and the next one cleans up', async () => {
  const input = write('kill/in.txt', book(12_000_000));
  const out = join(dirname(input), 'out');
  const code = `
    const { prepareShards } = await import('./src/data/prepare.js');
    const { byteTokenizer } = await import('./src/data/bytes.js');
    console.log('start');
    await prepareShards(process.env.INPUT, process.env.OUT, { tokenizer: byteTokenizer, shardTokens: 100_000 });
    console.log('end');`;
  let [killed, begun] = [0, 0];
  for (const wait of [0, 20, 50, 90, 140, 200]) {
    rmSync(out, { recursive: true, force: true });
    const child = run(code, { INPUT: input, OUT: out });
    await child.started;
    await sleep(wait);
    child.kill();
    const { stdout } = await child.ended;
    if (stdout.includes('end')) continue;
    ++killed;
    begun += readdirSync(dirname(input)).some((name) => name.startsWith('.aside')) ? 1 : 0;
    if (existsSync(out)) expect(openShards(out, 'train').length).toBeGreaterThan(11_000_000);
    else await expectError(() => openShards(out, 'train'), /no folder of token shards/);
  }
  expect(killed).toBeGreaterThan(0);
  expect(begun).toBeGreaterThan(0);
  await prepareShards(input, out, { ...options, shardTokens: 100_000 });
  expect(textsOf(out, 'train').length).toBe(1);
  expect(readdirSync(dirname(input)).sort()).toEqual(['in.txt', 'out']);
});

test('a folder can be moved', async () => {
  const [out, moved] = [fresh(), fresh()];
  await prepareShards(write('move.txt', book(1000)), out, options);
  const before = textsOf(out, 'train');
  renameSync(out, moved);
  expect(textsOf(moved, 'train')).toEqual(before);
});

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 0xff;
  writeFileSync(path, bytes);
}

function edit(folder: string, from: string | RegExp, to: string): void {
  const path = join(folder, 'manifest.json');
  const text = readFileSync(path, 'utf8');
  expect(text).toMatch(from);
  writeFileSync(path, text.replace(from, to));
}

interface Child {
  readonly started: Promise<unknown>;
  readonly ended: Promise<{ stdout: string }>;
  kill(): void;
}

/** Runs TypeScript that imports from the package's root, in a process of its own. */
function run(code: string, env: NodeJS.ProcessEnv): Child {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', code];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  return {
    started: new Promise((resolve) => child.stdout.once('data', resolve)),
    ended: new Promise((resolve) => child.once('close', () => resolve({ stdout }))),
    kill: () => void child.kill('SIGKILL'),
  };
}
