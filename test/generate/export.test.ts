/**
 * Exported folders: read again here, and used by the tools around PyTorch's transformers.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { openSafetensors } from '../../src/checkpoint/safetensors.js';
import { runCommand } from '../../src/common/command.js';
import { bordersOf } from '../../src/generate/borders.js';
import { exportModel, loadModel } from '../../src/generate/index.js';
import { configOf } from '../../src/model/presets.js';
import { decodeHalves, encodeHalves } from '../../src/native/dtype.js';
import { peersPython } from '../../tools/python.js';
import { parametersOf } from '../checkpoint/parameters.js';
import { NO_TENSORFLOW, polycom } from '../cli/harness.js';
import { configs, exported, place, trained } from './folders.js';

const python = await peersPython('torch', 'transformers');
const hasTransformers = (await runCommand(python, ['-c', 'import torch, transformers'])).status === 0;
if (!hasTransformers) {
  console.warn(
    `skipped: the tools around PyTorch's transformers: ${python} lacks them (tsx tools/prepare.ts --peers)`,
  );
}

function json(...path: string[]): Record<string, unknown> {
  return JSON.parse(readFileSync(join(...path), 'utf8'));
}

let run = '';
beforeAll(async () => {
  await tf.setBackend('cpu');
  run = await trained('run', configs.mixture, 'ours');
});

test('the command writes the newest checkpoint, and says how transformers opens it', async () => {
  const out = place('exported with a space');
  const ended = polycom(['export', '--model', run, '--out', out], NO_TENSORFLOW);
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  const opened = `from_pretrained(${JSON.stringify(out)}, trust_remote_code=True)`;
  const [from, ...lines] = ended.stdout.trimEnd().split('\n');
  expect(from).toMatch(/step-00000020: [\d,]+ parameters, exported to /);
  expect(lines).toEqual([`model = AutoModelForCausalLM.${opened}`, `tokenizer = AutoTokenizer.${opened}`]);
  const { model, tokenizer, ends } = await loadModel(out);
  for (const [name, { data }] of parametersOf(configs.mixture)) {
    expect(model.parameters.get(name)!.dataSync(), name).toEqual(data);
  }
  model.dispose();
  expect([tokenizer.name, ends]).toEqual(['bytes', [256]]);
  expect(json(out, 'generation_config.json')).toEqual({ bos_token_id: null, eos_token_id: 256 });
});

test('an earlier step alone, in 16 bits, as JSON', async () => {
  const out = place('halves');
  const args = ['--model', join(run, 'step-00000010'), '--tokenizer', 'bytes', '--dtype', 'bf16', '--json'];
  const ended = polycom(['export', ...args, '--out', out], NO_TENSORFLOW);
  expect(JSON.parse(ended.stdout)).toMatchObject({ schema: 1, step: 10, out, dtype: 'bf16', llama: false });
  expect(json(out, 'config.json').torch_dtype).toBe('bfloat16');
  const file = await openSafetensors(join(out, 'model.safetensors'));
  for (const [name, { data }] of parametersOf(configs.mixture)) {
    const first = data.map((x) => -x);
    expect(file.info(name).dtype).toBe('BF16');
    expect(await file.readFloats(name)).toEqual(decodeHalves(encodeHalves(first, 'bf16'), 'bf16'));
  }
  await file.close();
});

test('what f16 has no room for is an error', async () => {
  const model = parametersOf(configs.llama);
  model.get('model.norm.weight')!.data[3] = 1e5;
  const { exportHuggingFace } = await import('../../src/checkpoint/huggingface.js');
  await expect(exportHuggingFace(model, configs.llama, place('f16'), { dtype: 'f16' })).rejects.toMatchObject(
    {
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/model\.norm\.weight holds 100000, which f16 has no room for/),
      remedy: 'write bf16 or f32',
    },
  );
});

test('nothing is written over unasked', async () => {
  const out = place('taken');
  mkdirSync(out);
  writeFileSync(join(out, 'notes.txt'), 'mine');
  await expect(exportModel(run, out)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    remedy: expect.stringContaining('--overwrite'),
  });
  expect(existsSync(join(out, 'config.json'))).toBe(false);
  await exportModel(run, out, { overwrite: true });
  expect(existsSync(join(out, 'config.json'))).toBe(true);
  expect(readFileSync(join(out, 'notes.txt'), 'utf8')).toBe('mine');
});

test("a folder in Hugging Face's form keeps its borders", async () => {
  const origin = await exported('origin', configs.llama);
  const settings = { ...json(origin, 'config.json'), bos_token_id: 3, eos_token_id: [256, 7] };
  writeFileSync(join(origin, 'config.json'), JSON.stringify(settings));
  rmSync(join(origin, 'generation_config.json'));
  const begin = { id: '\u0003', ids: [3], tokens: ['\u0003'] };
  const tokenizer = {
    ...json(origin, 'tokenizer.json'),
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: begin.id, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { [begin.id]: begin },
    },
  };
  writeFileSync(join(origin, 'tokenizer.json'), JSON.stringify(tokenizer));
  rmSync(join(origin, 'tokenizer_config.json'));
  expect(await bordersOf(origin, 257)).toEqual({ begin: [3], ends: [256, 7] });
  const out = place('again');
  expect(await exportModel(origin, out)).toMatchObject({ from: origin, isLlama: true });
  expect(await bordersOf(out, 257)).toEqual({ begin: [3], ends: [256, 7] });
  expect(json(out, 'tokenizer_config.json')).toEqual({
    tokenizer_class: 'PreTrainedTokenizerFast',
    eos_token: '<|endoftext|>',
  });
});

/** What transformers_use.py prints of a folder. */
interface Used {
  readonly tokens: readonly number[];
  readonly end: number;
  readonly text: string;
  readonly implementations: Readonly<Record<string, number | string>>;
  readonly recomputed: Readonly<Record<string, number>> & { readonly runs: readonly number[] };
  readonly recorded: {
    readonly layers: number;
    readonly hidden: readonly (readonly number[])[];
    readonly attentions: readonly (readonly number[])[];
    readonly first: number;
    readonly last: number;
    readonly body: number;
    readonly sums: number;
    readonly tuple: number;
  };
  readonly generations: Readonly<Record<string, boolean>>;
  readonly shares: number;
  readonly bf16: number;
  readonly lora: boolean | null;
}

describe.skipIf(!hasTransformers)("the tools around PyTorch's transformers", () => {
  const small = { width: 32, hidden: 40, heads: 4, kvHeads: 2, headWidth: 8, layers: 2 };
  const models = { dense: configOf('tiny', small), mixture: configOf('tiny-moe', small) };
  const names = Object.keys(models) as (keyof typeof models)[];
  let used: Record<string, Used> = {};

  beforeAll(async () => {
    for (const name of names) {
      await exportModel(await trained(`run-${name}`, models[name], 'ours'), place(name));
    }
    const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
    const env = {
      ...process.env,
      PYTHONPATH: [here('../../bench/peers'), process.env.PYTHONPATH ?? ''].filter(Boolean).join(delimiter),
      PYTHONDONTWRITEBYTECODE: '1',
      HF_HOME: place('hf'),
      HF_HUB_OFFLINE: '1',
      OMP_NUM_THREADS: '1',
    };
    const script = here('../checkpoint/transformers_use.py');
    const ended = await runCommand(python, [script, ...names.map(place)], env);
    expect(ended.status, ended.stderr).toBe(0);
    used = JSON.parse(ended.stdout.trim().split('\n').at(-1)!);
  }, 600_000);

  const of = (name: string): Used => used[place(name)]!;
  /** How far f32 results may be from the same sums in another order, relative to the largest. */
  const CLOSE = 1e-5;

  test.each(names)('%s: AutoTokenizer has our tokens', (name) => {
    expect(of(name).tokens).toEqual([97, 256, 98, 32, 195, 169]);
    expect([of(name).end, of(name).text]).toEqual([256, 'ab é']);
  });

  test.each(names)('%s: every attention implementation gives the same logits, behind padding too', (name) => {
    const { flash_attention_2: flash, ...others } = of(name).implementations;
    for (const each of Object.values(others)) expect(each).toBeLessThan(CLOSE);
    // It runs on a GPU alone, with a package that is not wanted here: it must not be the model that refuses.
    expect(typeof flash === 'number' ? '' : flash).not.toMatch(/does not support/);
  });

  test.each(names)('%s: gradients with recomputation are those without', (name) => {
    const { runs, ...differences } = of(name).recomputed;
    expect(runs).toEqual([1, 2, 2]);
    for (const each of Object.values(differences)) expect(each).toBeLessThan(CLOSE);
  });

  test.each(names)('%s: hidden states, attention weights, and the model without its head', (name) => {
    const { layers, hidden, attentions, ...differences } = of(name).recorded;
    expect(hidden).toEqual(new Array(layers + 1).fill([2, 11, 32]));
    expect(attentions).toEqual(new Array(layers).fill([2, 4, 11, 11]));
    for (const each of Object.values(differences)) expect(each).toBeLessThan(CLOSE);
  });

  test.each(names)('%s: beams, a static cache, bf16, LoRA, and shares of a step', (name) => {
    const { generations, bf16, lora, shares } = of(name);
    expect(generations).toEqual({ static: true, beams: true });
    expect(shares).toBeLessThan(CLOSE);
    expect(bf16).toBeLessThan(0.05);
    expect(lora).not.toBe(false);
  });
});
