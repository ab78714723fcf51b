import { normalGenerator } from 'polycom/data';

/** Normal numbers, the same ones on every machine. */
export function normals(length: number, seed: number, sigma: number = 1): Float32Array {
  const values = new Float32Array(length);
  normalGenerator(seed, 0)(values, sigma);
  return values;
}
