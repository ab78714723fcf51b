import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import type { FloatTensor } from '../../src/checkpoint/folder.js';
import { exportHuggingFace, importHuggingFace } from '../../src/checkpoint/huggingface.js';
import { openSafetensors } from '../../src/checkpoint/safetensors.js';
import { runCommand } from '../../src/common/command.js';
import type { ModelConfig } from '../../src/model/config.js';
import { isLlamaForm } from '../../src/model/huggingface.js';
import { type ConfigOverrides, configOf } from '../../src/model/presets.js';
import { peersPython } from '../../tools/python.js';
import { temporaryFolder } from './folders.js';
import { distance, logitsOf } from './logits.js';
import { parametersOf } from './parameters.js';

const MINUTES = 60_000;
const PEERS = fileURLToPath(new URL('../../bench/peers', import.meta.url));
const SCRIPT = fileURLToPath(new URL('transformers_peer.py', import.meta.url));
const folder = temporaryFolder();

const python = await peersPython('torch', 'transformers');
const hasTransformers = (await runCommand(python, ['-c', 'import torch, transformers'])).status === 0;
if (!hasTransformers) {
  console.warn(
    `skipped: the tests beside PyTorch's transformers: ${python} lacks them (tsx tools/prepare.ts --peers)`,
  );
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

interface Case {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** Runs transformers_peer.py on cases; its results by name. */
async function peer<T>(command: string, cases: readonly Case[]): Promise<Record<string, T>> {
  const env = {
    ...process.env,
    PYTHONPATH: [PEERS, process.env.PYTHONPATH ?? ''].filter((path) => path !== '').join(delimiter),
    PYTHONDONTWRITEBYTECODE: '1',
    // Modelling files are copied there, and nothing is asked of the network.
    HF_HOME: join(folder, 'hf'),
    HF_HUB_OFFLINE: '1',
    // The models are so small that a thread more costs more than it brings.
    OMP_NUM_THREADS: '1',
  };
  const ended = await runCommand(python, [SCRIPT, command, folder, JSON.stringify(cases)], env);
  expect(ended.status, ended.stderr).toBe(0);
  return JSON.parse(ended.stdout.trim().split('\n').at(-1)!) as Record<string, T>;
}

async function readAll(path: string): Promise<Map<string, FloatTensor>> {
  const { readAll, close } = await importHuggingFace(path);
  const tensors = await readAll();
  await close();
  return tensors;
}

interface Checked {
  readonly class: string;
  readonly loading: readonly string[];
  readonly logits: number;
  readonly loss: number | null;
  readonly cached: number;
  readonly padded: number;
  readonly generated: boolean;
}

/** How far f32 logits may be from others, relative to the largest: sums of a few hundred products, in other orders. */
const CLOSE = 1e-5;

const SMALL = {
  vocab_size: 61,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
};

const llamas: readonly Case[] = [
  { name: 'silu', dtype: 'float32', shard: '5GB', config: SMALL },
  {
    name: 'gelu-tied-sharded',
    dtype: 'float32',
    shard: '20KB',
    config: { ...SMALL, hidden_act: 'gelu', tie_word_embeddings: true, num_key_value_heads: 4 },
  },
  {
    name: 'bf16-wide-heads-sharded',
    dtype: 'bfloat16',
    shard: '10KB',
    config: {
      ...SMALL,
      head_dim: 12,
      rms_norm_eps: 1e-4,
      // For versions before 5, and from 5 on.
      rope_theta: 500,
      rope_parameters: { rope_type: 'default', rope_theta: 500 },
    },
  },
  { name: 'f16', dtype: 'float16', shard: '5GB', config: { ...SMALL, hidden_act: 'relu' } },
];

describe.skipIf(!hasTransformers)("LLaMAs of PyTorch's transformers", () => {
  let made: Record<string, { readonly files: readonly string[] }>;
  beforeAll(async () => {
    made = await peer('make', llamas);
  }, 2 * MINUTES);

  test.each(llamas)('$name: the tensors are theirs', async ({ name, shard }) => {
    const { files } = made[name]!;
    expect(files.length > 2).toBe(shard !== '5GB');
    const tensors = await readAll(join(folder, name));
    const expected = await openSafetensors(join(folder, name, 'expected.weights'));
    const names = expected.names.filter((other) => tensors.has(other) || other !== 'lm_head.weight');
    expect([...tensors.keys()].sort()).toEqual([...names].sort());
    for (const [tensor, { shape, data }] of tensors) {
      expect(shape).toEqual(expected.info(tensor).shape);
      expect(data).toEqual(await expected.readFloats(tensor));
    }
    await expected.close();
  });

  test('their configurations are read', async () => {
    const [silu, gelu, wide] = await Promise.all(
      llamas.map(async ({ name }) => {
        const { config, close } = await importHuggingFace(join(folder, name));
        await close();
        return config;
      }),
    );
    expect(silu).toEqual({
      vocabulary: 61,
      width: 32,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headWidth: 8,
      hidden: 48,
      activation: 'swiglu',
      order: 3,
      context: 64,
      tied: false,
      qkNorm: false,
      ropeBase: 10_000,
      normEpsilon: 1e-6,
      dropout: 0,
      deviation: 0.02,
    });
    expect(gelu).toMatchObject({ activation: 'geglu', tied: true, kvHeads: 4 });
    expect(wide).toMatchObject({ headWidth: 12, normEpsilon: 1e-4, ropeBase: 500 });
  });

  test('exported again, each is a LlamaForCausalLM with the same logits', async () => {
    const cases: Case[] = [];
    for (const { name } of llamas) {
      const { config, close } = await importHuggingFace(join(folder, name));
      await close();
      await exportHuggingFace(await readAll(join(folder, name)), config, join(folder, `${name}-again`));
      cases.push({ name: `${name}-again`, origin: name });
    }
    for (const [name, result] of Object.entries(await peer<Checked>('check', cases))) {
      expect([name, result.class, result.loading]).toEqual([name, 'LlamaForCausalLM', []]);
      expect([name, result.logits]).toEqual([name, 0]);
    }
  });
});

const small: ConfigOverrides = { vocabulary: 61, width: 32, hidden: 40, heads: 4, kvHeads: 2, headWidth: 8 };
const mixture = configOf('tiny-moe').experts!;

/** Every activation dense, and what else LLaMA's form does not hold. */
const models: Readonly<Record<string, ModelConfig>> = {
  ...Object.fromEntries(
    activationRows.map(({ name }) => [name, configOf('tiny', { ...small, activation: name })]),
  ),
  order2: configOf('tiny', { ...small, order: 2, tied: false, qkNorm: true }),
  wide: configOf('tiny', {
    ...small,
    activation: 'swiglu',
    headWidth: 10,
    width: 30,
    dropout: 0.1,
    ropeBase: 77,
  }),
  mixture: configOf('tiny-moe', { ...small, activation: 'polynormglu' }),
  limited: configOf('tiny', {
    ...small,
    activation: 'swiglu',
    activationOptions: { limit: 0.3, alpha: 1.702, shift: 1, clamp: 'silu' },
  }),
  softcap: configOf('tiny', { ...small, activation: 'relu2', activationOptions: { softcap: 0.5 } }),
  experts: configOf('tiny-moe', {
    ...small,
    activation: 'polyrelu',
    experts: { ...mixture, coefficients: 'expert', normalised: true, balanceWeight: 0.5, zWeight: 0.25 },
  }),
  swigluMixture: configOf('tiny-moe', { ...small, activation: 'swiglu', tied: false }),
};

describe('our models', () => {
  const cases = Object.entries(models).map(([name, config]) => ({ name: `ours-${name}`, config }));
  beforeAll(async () => {
    for (const { name, config } of cases) {
      await exportHuggingFace(parametersOf(config), config, join(folder, name), { endOfText: 60 });
    }
  });

  test.each(cases)('$name: comes back as it was', async ({ name, config }) => {
    const { config: read, close } = await importHuggingFace(join(folder, name));
    await close();
    expect(read).toEqual(config);
    expect(await readAll(join(folder, name))).toEqual(parametersOf(config));
  });

  test.skipIf(!hasTransformers)(
    'transformers loads each, and its logits, loss and generation are those of the plain PyTorch model',
    async () => {
      const results = await peer<Checked>('check', cases);
      for (const { name, config } of cases) {
        const result = results[name]!;
        const kind = isLlamaForm(config) ? 'LlamaForCausalLM' : 'PolycomForCausalLM';
        expect([name, result.class, result.loading, result.generated]).toEqual([name, kind, [], true]);
        const { logits, cached, padded, loss } = result;
        expect(Math.max(logits, cached, padded, loss!), `${name}: ${JSON.stringify(result)}`).toBeLessThan(
          CLOSE,
        );
      }
    },
    10 * MINUTES,
  );

  test.skipIf(!hasTransformers).each(cases)(
    '$name: saved by transformers, is read',
    async ({ name, config }) => {
      const again = join(folder, name, 'again');
      const { config: read, close } = await importHuggingFace(again);
      await close();
      expect(read).toEqual(config);
      expect(await readAll(again)).toEqual(parametersOf(config));
    },
  );

  test.skipIf(!hasTransformers).each(cases)(
    '$name: our logits are those of transformers',
    async ({ name }) => {
      const expected = await openSafetensors(join(folder, name, 'expected.logits'));
      const tokens = new Int32Array((await expected.read('tokens')).buffer);
      const logits = await logitsOf(join(folder, name), tokens, 2);
      expect(distance(logits, await expected.readFloats('logits'))).toBeLessThan(CLOSE);
      await expected.close();
    },
  );
});
