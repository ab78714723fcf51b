import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { isIntact, readStored } from '../../src/common/store.js';
import { byteTokenizer } from '../../src/data/bytes.js';
import { openData } from '../../src/data/open.js';
import { prepareShards } from '../../src/data/prepare.js';
import { readManifest } from '../../src/data/shards.js';
import { expectError, fresh, write } from './harness.js';

const options = { tokenizer: byteTokenizer };
const made = fresh();
beforeAll(async () => {
  await prepareShards(write('manifest.txt', 'a line\n'.repeat(2000)), made, options);
});

interface Fields {
  [key: string]: Fields;
}

/** Deeper than JSON.stringify can write. */
const BRACKETS = { text: `${'['.repeat(50_000)}${']'.repeat(50_000)}` };
const TRAIN = ['about', 'sides', 'train'];

/** A copy of the folder, whose manifest has another value somewhere. */
function changed(path: readonly string[], value: unknown): string {
  const folder = fresh();
  cpSync(made, folder, { recursive: true });
  const file = join(folder, 'manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Fields;
  const parent = path.slice(0, -1).reduce((fields, key) => fields[key]!, manifest);
  parent[path.at(-1)!] = (value === BRACKETS ? 12345 : value) as Fields;
  writeFileSync(
    file,
    JSON.stringify(manifest).replace('12345', value === BRACKETS ? BRACKETS.text : '12345'),
  );
  return folder;
}

test.each<[path: readonly string[], value: unknown, message: RegExp]>([
  [[...TRAIN, 'shards'], [null], /a shard of train is null; expected a file and its tokens/],
  [[...TRAIN, 'shards'], [7], /a shard of train is 7/],
  [[...TRAIN, 'shards'], 'x', /its train is \{.*; expected shards/],
  [[...TRAIN, 'shards'], [{ file: '../x.bin', tokens: 1 }], /a shard of train is \{"file":"\.\.\/x\.bin"/],
  [[...TRAIN, 'shards'], [{ file: 'train-00009.bin', tokens: 0 }], /its files lack train-00009\.bin/],
  [TRAIN, null, /its train is null; expected shards/],
  [[...TRAIN, 'tokens'], -1, /the tokens of train are -1; expected a whole number/],
  [[...TRAIN, 'tokens'], 1e15, /its shards have \d+ tokens; expected 1000000000000000/],
  [['files', 'tokenizer.json'], true, /the size of tokenizer\.json is undefined/],
  [['files', 'tokenizer.json'], { size: 0.5 }, /the size of tokenizer\.json is 0\.5/],
  [['files', '../../dev/zero'], { size: 0 }, /it names the file "\.\.\/\.\.\/dev\/zero"; expected no path/],
  [['files'], [], /its files are \[\]; expected an object/],
  [['about', 'bits'], null, /its bits are null; expected 16 or 32/],
  [['about', 'tokenizer', 'vocabulary'], BRACKETS, /its vocabulary is \[\[\[\[…\]\]\]\]; expected a whole/],
])('a manifest whose %j is %j is refused, with a remedy', async (path, value, message) => {
  const folder = changed(path, value);
  await expectError(() => readManifest(folder), message);
  await expectError(() => openData(folder), /remedy: delete the folder/);
});

test('a folder whose manifest is nested deeply is made again', async () => {
  const folder = changed(['about', 'inputs'], BRACKETS);
  const { about } = await prepareShards(join(made, '../manifest.txt'), folder, options);
  expect(about.inputs).toHaveLength(1);
});

test('nothing outside a stored folder is summed up, and nothing that is no file', async () => {
  const outside = changed(['files', '../../../../../../dev/zero'], { size: 0, sha256: '' });
  expect(await readStored<unknown>(outside)).toBeUndefined();
  const strange = changed(['files', 'x'], { size: 4096, sha256: '' });
  mkdirSync(join(strange, 'x'));
  expect(await readStored<unknown>(strange)).toBeUndefined();
  expect(await isIntact(made, (await readStored<unknown>(made))!)).toBe(true);
});
