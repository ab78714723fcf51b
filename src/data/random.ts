import { mixed } from '../mixed.js';

const ROUNDS = 8;

/** A hash, from 0 to 2^32 - 1, of whole numbers up to 2^53. */
export function hash(...words: readonly number[]): number {
  let state = 0;
  for (const word of words) {
    state = mixed(state ^ (word >>> 0)) + 0x9e3779b9;
    state = mixed(state ^ Math.floor(word / 2 ** 32)) + 0x9e3779b9;
  }
  return mixed(state) >>> 0;
}

/** Numbers in [0, 1) with 32 random bits: sfc32. The same words give the same numbers on every machine. */
export function uniform(...words: readonly number[]): () => number {
  let [a, b, c] = [hash(1, ...words) | 0, hash(2, ...words) | 0, hash(3, ...words) | 0];
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; ++i) next();
  return next;
}

/**
 * A pseudo-random permutation of 0 … `count` - 1, computed index by index in no memory: a Feistel network over the next
 * power of four, walked until it comes back below `count` (less than four steps on average).
 *
 * @param count at most 2^52
 * @param words which permutation
 */
export function permutation(count: number, ...words: readonly number[]): (index: number) => number {
  const bits = Math.max(1, Math.ceil(Math.log2(count) / 2));
  const half = 2 ** bits;
  const keys = Int32Array.from({ length: ROUNDS }, (_, round) => hash(round, ...words));
  const once = (index: number): number => {
    let left = Math.floor(index / half);
    let right = index % half;
    for (const key of keys) {
      [left, right] = [right, left ^ (mixed(right ^ key) & (half - 1))];
    }
    return left * half + right;
  };
  return (index) => {
    let found = once(index);
    while (found >= count) found = once(found);
    return found;
  };
}
