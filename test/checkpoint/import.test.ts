import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { FloatTensor } from '../../src/checkpoint/folder.js';
import { exportHuggingFace, importHuggingFace } from '../../src/checkpoint/huggingface.js';
import { type SafeTensor, writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { PolycomError } from '../../src/common/errors.js';
import { configOf } from '../../src/model/presets.js';
import { encodeHalves } from '../../src/native/dtype.js';
import { temporaryFolder } from './folders.js';
import { parametersOf } from './parameters.js';

const config = configOf('tiny', { activation: 'swiglu', vocabulary: 9, width: 16, hidden: 8, headWidth: 4 });
const parameters = parametersOf(config);
const NORM = 'model.norm.weight';

let folder: string;
beforeEach(async () => {
  folder = join(temporaryFolder(), 'model');
  await exportHuggingFace(parameters, config, folder);
});

async function problemOf(): Promise<PolycomError> {
  const error: unknown = await importHuggingFace(folder).then(
    ({ close }) => close(),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PolycomError)) throw new Error(`expected a PolycomError, got ${error}`);
  return error;
}

function stored(tensors: ReadonlyMap<string, FloatTensor>): [string, SafeTensor][] {
  return Array.from(tensors, ([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }]);
}

function write(
  tensors: Iterable<readonly [string, SafeTensor]>,
  name = 'model.safetensors',
): Promise<unknown> {
  return writeSafetensors(join(folder, name), tensors);
}

/** Two shards and their index, in place of the single file. */
async function shard(change: (map: Record<string, string>) => void = () => undefined): Promise<void> {
  rmSync(join(folder, 'model.safetensors'));
  const tensors = stored(parameters);
  const halves = [tensors.slice(0, 5), tensors.slice(5)];
  const map: Record<string, string> = {};
  for (const [i, half] of halves.entries()) {
    const name = `model-0000${i + 1}-of-00002.safetensors`;
    await write(half, name);
    for (const [tensor] of half) map[tensor] = name;
  }
  change(map);
  writeFileSync(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: {}, weight_map: map }),
  );
}

test('a LLaMA has no modelling file, another form has', async () => {
  expect(readdirSync(folder).sort()).toEqual(['config.json', 'generation_config.json', 'model.safetensors']);
  const other = configOf('tiny', { vocabulary: 9, width: 16, hidden: 8, headWidth: 4 });
  await exportHuggingFace(parametersOf(other), other, folder);
  expect(readdirSync(folder).sort()).toEqual([
    'activations_polycom.py',
    'config.json',
    'configuration_polycom.py',
    'generation_config.json',
    'model.safetensors',
    'modeling_polycom.py',
  ]);
});

test('reads shards, and half precision', async () => {
  await shard();
  const sharded = await importHuggingFace(folder);
  for (const [name, { data }] of parameters) expect(await sharded.read(name)).toEqual(data);
  await sharded.close();
  renameSync(folder, `${folder}-sharded`);
  mkdirSync(folder);
  await exportHuggingFace(parameters, config, folder);
  const ones = new Float32Array(16).fill(1.5);
  const halves = { dtype: 'F16', shape: [16], data: encodeHalves(ones, 'f16') } as const;
  await write(stored(parameters).map(([name, tensor]) => [name, name === NORM ? halves : tensor]));
  const half = await importHuggingFace(folder);
  expect(await half.read(NORM)).toEqual(ones);
  await half.close();
});

test('overlooks what is no parameter', async () => {
  const more = { dtype: 'F32', shape: [1], data: Float32Array.of(1) } as const;
  const names = ['model.layers.0.self_attn.rotary_emb.inv_freq', 'lm_head.weight'];
  await write([...stored(parameters), ...names.map((name) => [name, more] as const)]);
  const { close, shapes } = await importHuggingFace(folder);
  await close();
  expect([...shapes.keys()]).toEqual([...parameters.keys()]);
});

test('says which tensors are missing, unknown, of another shape or quantised', async () => {
  const all = stored(parameters);
  await write(all.slice(0, 4));
  expect((await problemOf()).message).toMatch(
    /its weights lack model\.layers\.0\.\S+, \S+, \S+ and others: the model of its config.json has 20 tensors/,
  );
  await write([
    ...all,
    ['model.layers.0.self_attn.q_proj.bias', { dtype: 'F32', shape: [1], data: Float32Array.of(0) }],
  ]);
  const { code, problem } = await problemOf();
  expect([code, problem]).toEqual([
    'UNSUPPORTED',
    `${folder}: the model here has no model.layers.0.self_attn.q_proj.bias`,
  ]);
  const norm = (tensor: SafeTensor) =>
    all.map(([name, other]) => [name, name === NORM ? tensor : other] as const);
  await write(norm({ dtype: 'F32', shape: [4, 4], data: new Float32Array(16) }));
  expect((await problemOf()).message).toMatch(
    /model\.norm\.weight is \[4, 4\]; expected \[16\] by its config/,
  );
  await write(norm({ dtype: 'I8', shape: [16], data: new Int8Array(16) }));
  expect((await problemOf()).message).toMatch(/model\.norm\.weight is I8; expected F32, F16, BF16, F64/);
});

test('says what is wrong with shards', async () => {
  await shard((map) => Object.assign(map, { [NORM]: 'model-00001-of-00002.safetensors' }));
  expect((await problemOf()).message).toMatch(
    /index\.json: it says that model-00001\S+ has model\.norm\.weight, which/,
  );
  await exportHuggingFace(parameters, config, folder);
  await shard((map) => Object.assign(map, { [NORM]: '../elsewhere.safetensors' }));
  expect((await problemOf()).message).toMatch(/the shard of model\.norm\.weight is "\.\.\/elsewhere/);
  await exportHuggingFace(parameters, config, folder);
  await shard();
  rmSync(join(folder, 'model-00002-of-00002.safetensors'));
  expect((await problemOf()).message).toMatch(
    /index\.json: it names model-00002-of-00002\.safetensors, which is not there/,
  );
  writeFileSync(join(folder, 'model.safetensors.index.json'), '[]');
  expect((await problemOf()).message).toMatch(/index\.json: it has no weight_map/);
});

test('says what to do about a folder without safetensors', async () => {
  rmSync(join(folder, 'model.safetensors'));
  expect((await problemOf()).message).toMatch(
    /has neither model\.safetensors nor .*\n {2}remedy: name a folder/,
  );
  writeFileSync(join(folder, 'pytorch_model.bin'), '');
  expect((await problemOf()).message).toMatch(
    /only pytorch_model\.bin, which is a Python pickle\n.*safe_serialization/,
  );
  rmSync(join(folder, 'config.json'));
  expect((await problemOf()).message).toMatch(/config\.json: it is missing/);
});

test('exports only the parameters of the configuration', async () => {
  const { [NORM]: _, ...rest } = Object.fromEntries(parameters);
  const without = new Map(Object.entries(rest));
  await expect(exportHuggingFace(without, config, folder)).rejects.toThrow(
    /exportHuggingFace: parameter model\.norm\.weight is absent; expected \[16\]/,
  );
  const more = new Map([...parameters, ['lm_head.weight', { shape: [1], data: new Float32Array(1) }]]);
  await expect(exportHuggingFace(more, config, folder)).rejects.toThrow(
    /parameter lm_head\.weight is \[1\]; expected absent/,
  );
});
