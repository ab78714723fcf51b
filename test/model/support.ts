import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../../src/model/config.js';
import { Transformer } from '../../src/model/transformer.js';
import { readVectors, tensorsUnder, type VectorTensor } from './vectors/read.js';

/** The models of the PyTorch vectors. */
export const MODELS = ['dense', 'gated', 'mixture', 'experts'] as const;

/** ‖got - wanted‖₂ / ‖wanted‖₂. */
export function distance(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (got.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let [difference, norm] = [0, 0];
  for (let i = 0; i < wanted.length; ++i) {
    difference += (got[i]! - wanted[i]!) ** 2;
    norm += wanted[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** ‖all gradients‖₂. */
export function normOf(gradients: ReadonlyMap<string, tf.Tensor>): number {
  let square = 0;
  for (const gradient of gradients.values()) for (const value of gradient.dataSync()) square += value ** 2;
  return Math.sqrt(square);
}

/**
 * How far a parameter's gradient is off: {@link distance}; of an activation's coefficient, which is a sum over all hidden
 * values and may cancel to much less than its terms, a tenth of the bound's share of all gradients (1e-6 where that is 1e-5).
 */
export function gradientError(
  name: string,
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  all: number,
): number {
  if (!name.includes('.activation.')) return distance(got, wanted);
  let square = 0;
  for (let i = 0; i < wanted.length; ++i) square += (got[i]! - wanted[i]!) ** 2;
  return (10 * Math.sqrt(square)) / all;
}

/** One of PyTorch's models, with the same parameters, and what PyTorch says of it. */
export function modelOf(name: (typeof MODELS)[number]): {
  model: Transformer;
  tokens: tf.Tensor2D;
  targets: tf.Tensor2D;
  wanted: ReadonlyMap<string, VectorTensor>;
  gradients: ReadonlyMap<string, VectorTensor>;
} {
  const vectors = readVectors(name);
  const config = JSON.parse(vectors.texts.config!) as ModelConfig;
  const parameters = tensorsUnder(vectors, 'parameters');
  const words = (key: string) => {
    const { shape, values } = vectors.tensors.get(key)!;
    return tf.tensor2d(Int32Array.from(values), shape as [number, number], 'int32');
  };
  return {
    model: Transformer.from(config, (key) => Float32Array.from(parameters.get(key)!.values)),
    tokens: words('tokens'),
    targets: words('targets'),
    wanted: vectors.tensors,
    gradients: tensorsUnder(vectors, 'gradients'),
  };
}

/** A batch of words of no particular pattern. */
export function batchOf(
  { vocabulary }: ModelConfig,
  batch: number,
  time: number,
): [tf.Tensor2D, tf.Tensor2D] {
  const words = (salt: number) =>
    tf.tensor2d(
      Int32Array.from({ length: batch * time }, (_, i) => (i * i * 7 + i * salt + salt) % vocabulary),
      [batch, time],
      'int32',
    );
  return [words(3), words(5)];
}
