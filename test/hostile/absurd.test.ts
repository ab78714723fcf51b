import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { readDocument } from '../../src/bench/document.js';
import { loadCheckpoint, saveCheckpoint } from '../../src/checkpoint/folder.js';
import { importHuggingFace } from '../../src/checkpoint/huggingface.js';
import { openSafetensors } from '../../src/checkpoint/safetensors.js';
import { openWeights } from '../../src/checkpoint/shards.js';
import { configFileOption, readConfigFile } from '../../src/cli/config-file.js';
import { PolycomError } from '../../src/common/errors.js';
import { loadTokenizer } from '../../src/data/load-tokenizer.js';
import { loadModel } from '../../src/generate/load.js';
import { checkConfig } from '../../src/model/check.js';
import type { ModelConfig } from '../../src/model/config.js';
import { configOf } from '../../src/model/presets.js';
import { Transformer } from '../../src/model/transformer.js';
import { rotaryTable } from '../../src/transformer-ops/index.js';
import { temporaryFolder } from '../checkpoint/folders.js';
import { parametersOf } from '../checkpoint/parameters.js';
import { configs, exported } from '../generate/folders.js';

const folder = temporaryFolder();
const BRACKETS = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;

/** What a call is refused with, which takes it no time. */
async function refusal(work: () => unknown): Promise<PolycomError> {
  const start = process.cpuUsage();
  const error: unknown = await Promise.resolve()
    .then(work)
    .then(
      () => new Error('nothing was refused'),
      (thrown: unknown) => thrown,
    );
  const { user, system } = process.cpuUsage(start);
  expect(error).toBeInstanceOf(PolycomError);
  const refused = error as PolycomError;
  expect((user + system) / 1000).toBeLessThan(2000);
  expect(refused.message.length).toBeLessThan(1000);
  return refused;
}

function withHeader(name: string, header: string): string {
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(header.length));
  const path = join(folder, `${name}.safetensors`);
  writeFileSync(
    path,
    Buffer.concat([start, Buffer.from(header), Buffer.alloc(header.includes('"a"') ? 8 : 0)]),
  );
  return path;
}

test.each([
  [
    'shape',
    `{"a":{"dtype":"F32","shape":${BRACKETS},"data_offsets":[0,8]}}`,
    /its shape is \[\[\[\[…\]\]\]\]/,
  ],
  ['offsets', `{"a":{"dtype":"F32","shape":[2],"data_offsets":${BRACKETS}}}`, /its data_offsets are \[\[\[/],
  ['metadata', `{"__metadata__":{"x":${BRACKETS}}}`, /__metadata__ has x: \[\[\[/],
  ['entry', `{"a":${BRACKETS}}`, /the header's entry of a is \[\[\[/],
  ['name', `{"${'n'.repeat(1_000_000)}":1}`, /the header's entry of n{80}… is 1/],
])('a header with an absurd %s is refused', async (name, header, message) => {
  const { code, remedy, problem } = await refusal(() => openSafetensors(withHeader(name, header)));
  expect([code, remedy]).toEqual(['INVALID_FILE', 'copy or download the file again']);
  expect(problem).toMatch(message);
});

test('a long text among the metadata is none', async () => {
  const thumbnail = 'x'.repeat(8_000_000);
  const header = `{"__metadata__":{"thumbnail":"${thumbnail}"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`;
  const file = await openSafetensors(withHeader('thumbnail', header));
  expect([file.metadata.thumbnail?.length, ...file.names]).toEqual([thumbnail.length, 'a']);
  await file.close();
});

test('an index of brackets is refused', async () => {
  const path = join(folder, 'index');
  mkdirSync(path);
  writeFileSync(join(path, 'model.safetensors.index.json'), `{"weight_map":{"a":${BRACKETS}}}`);
  expect((await refusal(() => openWeights(path))).problem).toMatch(/the shard of a is \[\[\[/);
});

/** An export whose config.json says something else. */
async function claiming(name: string, claims: object, text?: string): Promise<string> {
  const path = await exported(name, configs.llama);
  const file = join(path, 'config.json');
  const json = JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...claims });
  writeFileSync(file, text === undefined ? json : json.replace('"@"', text));
  return path;
}

test.each<[string, object, RegExp]>([
  [
    '10^5 layers',
    { num_hidden_layers: 1e5 },
    /its weights lack model\.layers\.1\.\S+, \S+, \S+ and others: .* has 900002 tensors/,
  ],
  ['10^6 layers', { num_hidden_layers: 1e6 }, /its layers have 9000002 tensors; expected at most 1048576/],
  ['10^12 layers', { num_hidden_layers: 1e12 }, /tensors; expected at most 1048576/],
  [
    '10^12 tokens',
    { vocab_size: 1e12 },
    /embed_tokens\.weight is \[257, 16\]; expected \[1000000000000, 16\]/,
  ],
  ['2 * 10^9 heads', { num_attention_heads: 2e9, num_key_value_heads: 1 }, /q_proj\.weight is/],
  ['a text of a rotary embedding', { rope_parameters: 'x' }, /rope_parameters is "x"; expected an object/],
  [
    'a list of scalings',
    { rope_parameters: null, rope_scaling: [] },
    /rope_scaling is \[\]; expected an object/,
  ],
  [
    'a rotary embedding a kind of layer',
    { rope_parameters: { full_attention: { rope_type: 'default' } } },
    /one rotary/,
  ],
])('a config.json of %s is refused', async (name, claims, message) => {
  const path = await claiming(name, claims);
  const { problem, remedy } = await refusal(() => importHuggingFace(path));
  expect(problem).toMatch(message);
  expect(remedy).toBeTruthy();
});

test('a config.json of brackets is refused', async () => {
  const path = await claiming('brackets', { hidden_act: '@' }, BRACKETS);
  expect((await refusal(() => importHuggingFace(path))).problem).toMatch(/hidden_act is \[\[\[/);
  const size = await claiming('brackets-size', { hidden_size: '@' }, BRACKETS);
  expect((await refusal(() => importHuggingFace(size))).problem).toMatch(/width is \[\[\[/);
});

test.each([1e8, 2 ** 31, 1e15])('a context of %d tokens costs nothing until it is used', async (context) => {
  const path = await claiming(`context ${context}`, { max_position_embeddings: context });
  const start = process.cpuUsage();
  const { model } = await loadModel(path);
  const small = Transformer.from(configs.llama, (name) => parametersOf(configs.llama).get(name)!.data);
  const tokens = tf.tensor2d([[1, 2, 3]], undefined, 'int32');
  expect([...model.logits(tokens).dataSync()]).toEqual([...small.logits(tokens).dataSync()]);
  expect(process.cpuUsage(start).user / 1000).toBeLessThan(5000);
  for (const one of [model, small]) one.dispose();
});

test('a table of positions grows with a cache, and has the bits that one table of them all has', async () => {
  const config: ModelConfig = { ...configs.llama, context: 10_000 };
  const parameters = parametersOf(config);
  const before = tf.memory().numTensors;
  const model = Transformer.from(config, (name) => parameters.get(name)!.data);
  const bits = tf.tidy(() => {
    const tokens = tf.tensor2d([[1, 2, 3]], undefined, 'int32');
    return [undefined, 5000, 8193, 10_000, undefined].map((capacity) => {
      if (capacity === undefined) return model.logits(tokens).dataSync();
      const start = tf.zeros<tf.Rank.R1>([1], 'int32');
      return model.logits(tokens, { capacity, start, extend: (_, k, v) => ({ k, v }) }).dataSync();
    });
  });
  for (const logits of bits) expect(logits).toEqual(bits[0]);
  model.dispose();
  expect(tf.memory().numTensors).toBe(before);
  const whole = rotaryTable({ positions: 10_000, width: 8 });
  const part = rotaryTable({ positions: 8192, width: 8 });
  expect(part.dataSync()).toEqual(tf.slice(whole, [0, 0], [8192, 8]).dataSync());
});

test('a table that no process can hold is an error', async () => {
  const { code, remedy } = await refusal(() => rotaryTable({ positions: 1e15, width: 8 }));
  expect([code, remedy]).toEqual(['OUT_OF_MEMORY', 'ask for as many positions as are used']);
});

test('a model of more tensors than any has is refused before they are named', async () => {
  const { problem } = await refusal(() => checkConfig({ ...configOf('tiny'), layers: 1e15 }));
  expect(problem).toMatch(/its layers have \d+ tensors; expected at most 1048576/);
  const experts = { ...configOf('tiny-moe').experts!, count: 1e12 };
  const mixture = await refusal(() => checkConfig({ ...configOf('tiny-moe'), experts }));
  expect(mixture.problem).toMatch(/its layers and experts have \d+ tensors/);
});

async function saved(name: string, config: object = configs.llama): Promise<string> {
  const checkpoint = {
    model: parametersOf(configs.llama),
    optimizer: new Map(),
    state: { seed: 7, drawn: 12 },
  };
  return await saveCheckpoint(join(folder, name), 1, { ...checkpoint, config: config as never });
}

test('a checkpoint whose config.json claims 10^5 layers is refused', async () => {
  const step = await saved('layers', { ...configs.llama, layers: 1e5 });
  expect((await refusal(() => loadModel(step, { tokenizer: 'bytes' }))).problem).toMatch(
    /its weights lack model\.layers\.1/,
  );
});

test('state.json has its own sum: a turned digit is damage; one of an older version has none, and is read', async () => {
  const step = await saved('digit');
  const path = join(step, 'state.json');
  const text = readFileSync(path, 'utf8');
  expect((await loadCheckpoint(step)).state).toEqual({ seed: 7, drawn: 12 });
  expect(JSON.parse(text)).toMatchObject({ schema: 1, step: 1, crc32: expect.any(Number) });
  for (const [from, to] of [
    ['"seed": 7', '"seed": 3'],
    ['"drawn": 12', '"drawn": 13'],
    ['"crc32"', '"crc33"'],
    ['{', ' {'],
  ]) {
    const at = from === '"crc32"' ? text.lastIndexOf(from) : text.indexOf(from!);
    writeFileSync(path, `${text.slice(0, at)}${to}${text.slice(at + from!.length)}`);
    const { code, remedy } = await refusal(() => loadCheckpoint(step));
    expect([code, remedy]).toEqual(['INVALID_FILE', expect.stringMatching(/its newest whole checkpoint/)]);
  }
  const { crc32: _, ...older } = JSON.parse(text);
  writeFileSync(path, JSON.stringify(older, undefined, 2));
  expect((await loadCheckpoint(step)).state).toEqual({ seed: 7, drawn: 12 });
});

test('a checkpoint names no file outside its folder', async () => {
  const step = await saved('outside');
  const path = join(step, 'state.json');
  const { crc32: _, files, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
  for (const more of [{ '../../../../../dev/zero': { bytes: 0, crc32: 0 } }, { 'config.json': null }]) {
    writeFileSync(path, JSON.stringify({ ...rest, files: { ...files, ...more } }));
    expect((await refusal(() => loadCheckpoint(step))).problem).toMatch(
      /not the state of the checkpoint in this folder/,
    );
  }
});

test('an option file with a long list is refused before the list is copied for each value', async () => {
  const path = join(folder, 'options.json');
  writeFileSync(path, JSON.stringify({ data: new Array(200_000).fill('a.txt') }));
  const command = new Command().option('--data <path...>').addOption(configFileOption());
  expect((await refusal(async () => readConfigFile(command, path))).message).toMatch(
    /data has 200000 values; expected at most 1000\n.*the folder/,
  );
});

const unix = process.platform !== 'win32';
if (!unix) console.warn('skipped: pipes, devices and loops of links: this is Windows');
test.skipIf(!unix)(
  'pipes, devices, folders and loops in the place of a file are refused at once',
  async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const loop = join(folder, 'loop');
    symlinkSync(loop, loop);
    const readers = [openSafetensors, loadTokenizer, readDocument];
    for (const path of [pipe, '/dev/zero', loop, folder]) {
      for (const read of readers) await refusal(() => read(path));
    }
    expect((await refusal(() => openSafetensors(pipe))).message).toMatch(
      /a pipe or a device.*\n.*into a file first/,
    );
  },
);
