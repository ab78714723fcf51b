import { sizeOf } from '../native/dtype.js';
import { normal, uniform } from '../op/sample.js';
import type { OpSample } from './types.js';

type Tensor = OpSample['tensors'][string];

/** Normal values of a shape, repeatable by the seed. */
export function randomTensor(shape: readonly number[], seed: number, scale: number = 1): Tensor {
  return { shape, values: normal(sizeOf(shape), seed, scale) };
}

/** Whole numbers from `low` up to, without, `high`. */
export function randomIntegers(shape: readonly number[], seed: number, low: number, high: number): Tensor {
  const next = uniform(seed);
  const values = Float32Array.from({ length: sizeOf(shape) }, () => low + Math.floor(next() * (high - low)));
  return { shape, values };
}
