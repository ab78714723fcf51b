import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { Batches } from '../../src/data/batches.js';
import { byteTokenizer } from '../../src/data/bytes.js';
import { loadTokenizer } from '../../src/data/load-tokenizer.js';
import { openData } from '../../src/data/open.js';
import { prepareShards } from '../../src/data/prepare.js';
import { bpeJson } from './bpe.js';
import { expectError, folder, fresh, readAll, write } from './harness.js';

const lines = Array.from({ length: 400 }, (_, i) => `line ${i}: in the beginning\n`).join('');

test('a file of text is opened as tokens, prepared once, and again when it changes', async () => {
  const file = write('open.txt', lines);
  const data = await openData(file);
  expect(data.tokenizer).toBe(byteTokenizer);
  expect(data.train.vocabulary).toBe(257);
  const text = (source: typeof data.train): string => byteTokenizer.decode(readAll(source));
  expect(text(data.train) + text(data.heldOut)).toBe(lines);
  expect(data.directory!.startsWith(join(folder, 'cache'))).toBe(true);
  data.close();
  const again = await openData(file);
  expect(again.directory).toBe(data.directory);
  again.close();
  write('open.txt', `${lines}more\n`);
  const changed = await openData(file);
  expect(text(changed.train) + text(changed.heldOut)).toBe(`${lines}more\n`);
  changed.close();
  const other = await openData(file, { heldOut: 0.5 });
  expect(other.directory).not.toBe(data.directory);
  expect(other.heldOut.length / other.train.length).toBeCloseTo(1, 1);
  other.close();
});

test('shards go where they are told to', async () => {
  const directory = fresh();
  const data = await openData([write('told.txt', lines)], { directory });
  expect(data.directory).toBe(directory);
  expect(readdirSync(directory).sort()).toEqual([
    'heldout-00000.bin',
    'manifest.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'train-00000.bin',
  ]);
  data.close();
});

test('a prepared folder is opened as it is, whatever has become of the text', async () => {
  const file = write('gone.txt', lines);
  const directory = fresh();
  await prepareShards(file, directory, { tokenizer: byteTokenizer, heldOut: 0.1 });
  rmSync(file);
  const data = await openData(directory, { heldOut: 0.1 });
  expect(data.tokenizer).toBe(byteTokenizer);
  expect(data.heldOut.length).toBeGreaterThan(0);
  data.close();
  await expectError(() => openData(directory, { heldOut: 0.2 }), /held-out share of 0\.1; expected 0\.2/);
  const tokenizer = { ...byteTokenizer, name: 'mine' };
  await expectError(() => openData(directory, { tokenizer }), /prepared with tokenizer bytes; expected mine/);
});

test('a tokenizer that cannot be saved has to be given again', async () => {
  const { save: _, ...rest } = byteTokenizer;
  const tokenizer = { ...rest, name: 'mine' };
  const directory = fresh();
  (await openData(write('unsaved.txt', lines), { directory, tokenizer })).close();
  await expectError(
    () => openData(directory),
    /does not hold its tokenizer, mine\n {2}remedy: give the tokenizer/,
  );
  const data = await openData(directory, { tokenizer });
  expect(data.tokenizer).toBe(tokenizer);
  data.close();
});

test('a damaged folder of shards is not taken for one of text', async () => {
  const directory = fresh();
  (await openData(write('damaged.txt', lines), { directory })).close();
  truncateSync(join(directory, 'manifest.json'), 40);
  await expectError(() => openData(directory), /manifest\.json is damaged: it is no JSON/);
  rmSync(join(directory, 'manifest.json'));
  await expectError(() => openData(directory), /no folder of token shards: no manifest\.json/);
});

test('a prepared folder keeps its tokenizer.json', async (context) => {
  const path = write('bpe/tokenizer.json', JSON.stringify(bpeJson()));
  const tokenizer = await loadTokenizer(path).catch((error: Error) => error);
  if (tokenizer instanceof Error) return context.skip(tokenizer.message);
  const directory = fresh();
  const first = await openData(write('bpe.txt', lines), { directory, tokenizer: path });
  first.close();
  rmSync(path);
  const data = await openData(directory);
  expect(data.tokenizer.name).toBe(tokenizer.name);
  expect(data.train.vocabulary).toBe(266);
  const text = data.tokenizer.decode(readAll(data.train)) + data.tokenizer.decode(readAll(data.heldOut));
  expect(text).toBe(lines);
  data.close();
});

test('a chunk of a long text has the tokens that it has in the whole', async (context) => {
  const tokenizer = await loadTokenizer(write('long/tokenizer.json', JSON.stringify(bpeJson()))).catch(
    (error: Error) => error,
  );
  if (tokenizer instanceof Error) return context.skip(tokenizer.message);
  const text = Array.from({ length: 12_000 }, (_, i) => `${i} in the  end\n${i % 3 ? '' : '\n  '}`).join('');
  expect(text.length).toBeGreaterThan(2 ** 17 * 1.5);
  const data = await openData(write('long.txt', text), { tokenizer, heldOut: 0 });
  expect([...readAll(data.train)]).toEqual([...tokenizer.encode(text), tokenizer.endOfText]);
  data.close();
});

test('the synthetic language needs no file', async () => {
  const data = await openData('synthetic', { synthetic: { vocabulary: 16, length: 3000 } });
  expect(data.train.length).toBe(3000);
  expect(data.heldOut.length).toBe(3000);
  expect(data.entropy).toBeGreaterThan(1);
  expect(data.tokenizer.name).toBe('numbers-16');
  expect([...readAll(data.train)]).not.toEqual([...readAll(data.heldOut)]);
  const { inputs } = new Batches(data.train, { batch: 2, time: 8 }).next();
  expect([...data.tokenizer.encode(data.tokenizer.decode(inputs))]).toEqual([...inputs]);
  data.close();
  await expectError(() => openData('synthetic', { tokenizer: 'bytes' }), /has its own tokenizer/);
});

test('what cannot be opened says why', async () => {
  await expectError(() => openData('nowhere.txt'), /nowhere\.txt is not there/);
  const empty = fresh();
  mkdirSync(empty);
  await expectError(() => openData(empty), /has nothing to read/);
  await expectError(
    () => openData(write('fine.txt', lines), { tokenizer: 'nowhere' }),
    /tokenizer 'nowhere'/,
  );
});

const shakespeare = join(
  process.env.POLYCOM_TEST_DATA ?? join(packageFolder, '../shared/data'),
  'tinyshakespeare.txt',
);

test('a megabyte of Shakespeare is one book, whose end is held out', async (context) => {
  if (!existsSync(shakespeare)) return context.skip(`no ${shakespeare}`);
  const data = await openData(shakespeare, { directory: fresh() });
  const text = readFileSync(shakespeare, 'utf8');
  const [train, held] = [data.train, data.heldOut].map((source) => byteTokenizer.decode(readAll(source)));
  expect(train! + held!).toBe(text);
  expect(held!.length / text.length).toBeCloseTo(0.05, 3);
  const batches = new Batches(data.train, { batch: 8, time: 128 });
  let windows = 0;
  for (; batches.state.epoch === 0; ++windows) batches.next();
  expect(Math.abs(windows * 8 * 128 - train!.length)).toBeLessThan(2 * 8 * 128);
  data.close();
});
