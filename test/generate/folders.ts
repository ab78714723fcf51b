import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Checkpoint, saveCheckpoint } from '../../src/checkpoint/folder.js';
import { exportHuggingFace } from '../../src/checkpoint/huggingface.js';
import { byteTokenizer } from '../../src/data/bytes.js';
import type { ModelConfig } from '../../src/model/config.js';
import { toHuggingFace } from '../../src/model/huggingface.js';
import { configOf } from '../../src/model/presets.js';
import { parametersOf } from '../checkpoint/parameters.js';

const folder = mkdtempSync(join(tmpdir(), 'polycom-generate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A path in a folder that goes when the file's tests have ended. */
export function place(name: string): string {
  return join(folder, name);
}

/** Small models of bytes: LLaMA's form, and one that is not. */
export const configs: { readonly llama: ModelConfig; readonly mixture: ModelConfig } = {
  llama: configOf('tiny', {
    width: 16,
    layers: 1,
    heads: 2,
    kvHeads: 1,
    headWidth: 8,
    hidden: 16,
    activation: 'swiglu',
    context: 64,
  }),
  mixture: configOf('tiny-moe', {
    width: 16,
    layers: 1,
    heads: 2,
    kvHeads: 1,
    headWidth: 8,
    hidden: 16,
    context: 64,
  }),
};

/** An export in Hugging Face's form; its tokenizer with it. */
export async function exported(name: string, config: ModelConfig): Promise<string> {
  const path = place(name);
  await exportHuggingFace(parametersOf(config), config, path, { endOfText: byteTokenizer.endOfText! });
  await byteTokenizer.save!(path);
  return path;
}

/** A training run of two checkpoints, the first of which has other weights; the tokenizer lies in the run's folder. */
export async function trained(
  name: string,
  config: ModelConfig,
  form: 'ours' | 'huggingface',
): Promise<string> {
  const path = place(name);
  const model = parametersOf(config);
  const first = new Map(
    Array.from(model, ([key, { shape, data }]) => [key, { shape, data: data.map((x) => -x) }]),
  );
  const json = form === 'ours' ? config : toHuggingFace(config);
  const checkpoint = { optimizer: new Map(), state: null, config: json as NonNullable<Checkpoint['config']> };
  await saveCheckpoint(path, 10, { ...checkpoint, model: first });
  await saveCheckpoint(path, 20, { ...checkpoint, model });
  await byteTokenizer.save!(path);
  return path;
}
