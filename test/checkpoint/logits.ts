import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { importHuggingFace } from '../../src/checkpoint/huggingface.js';
import { Transformer } from '../../src/model/transformer.js';

/** The logits that our transformer has with the model of a folder, on the active backend. */
export async function logitsOf(folder: string, tokens: Int32Array, batch: number): Promise<Float32Array> {
  const { config, readAll, close } = await importHuggingFace(folder);
  const parameters = await readAll();
  await close();
  const model = Transformer.from(config, (name) => parameters.get(name)!.data);
  const logits = tf.tidy(() => {
    return model.logits(tf.tensor2d(tokens, [batch, tokens.length / batch], 'int32')).dataSync();
  });
  model.dispose();
  return logits as Float32Array;
}

/** The largest difference, relative to the largest value. */
export function distance(got: Float32Array, wanted: Float32Array): number {
  expect(got.length).toBe(wanted.length);
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0) / largest;
}
