import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { exportHuggingFace, importHuggingFace } from '../../src/checkpoint/huggingface.js';
import { openSafetensors } from '../../src/checkpoint/safetensors.js';
import { temporaryFolder } from './folders.js';
import { distance, logitsOf } from './logits.js';

/** Made by PyTorch's transformers (transformers_peer.py): a LLaMA in two shards, and its logits. */
const LLAMA = fileURLToPath(new URL('fixtures/llama', import.meta.url));

beforeAll(async () => {
  await tf.setBackend('cpu');
});

test('a LLaMA of transformers has its logits here, and so has what we export of it', async () => {
  const expected = await openSafetensors(join(LLAMA, 'expected.logits'));
  const tokens = new Int32Array((await expected.read('tokens')).buffer);
  const { shape } = expected.info('logits');
  const wanted = await expected.readFloats('logits');
  await expected.close();
  const { config, readAll, close } = await importHuggingFace(LLAMA);
  const parameters = await readAll();
  await close();
  const exported = temporaryFolder();
  await exportHuggingFace(parameters, config, exported);
  for (const folder of [LLAMA, exported]) {
    const logits = await logitsOf(folder, tokens, shape[0]!);
    expect(distance(logits, wanted), folder).toBeLessThan(1e-5);
  }
});
