/** Two words: a seed. */
export type PhiloxKey = readonly [number, number];

/**
 * Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): four words of random
 * bits for a counter under a key, as native/math/philox.h has them.
 *
 * @param counter its four words, lowest first
 */
export function philox(
  counter: readonly [number, number, number, number],
  key: PhiloxKey,
): [number, number, number, number] {
  let [a, b, c, d] = counter;
  let [first, second] = key;
  for (let round = 0; round < 10; ++round) {
    const [p, q] = [upperProduct(a, 0xd2511f53), upperProduct(c, 0xcd9e8d57)];
    [a, b, c, d] = [q ^ b ^ first, Math.imul(c, 0xcd9e8d57), p ^ d ^ second, Math.imul(a, 0xd2511f53)];
    first += 0x9e3779b9;
    second += 0xbb67ae85;
  }
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
}

/** The upper word of a product of two: in two steps that doubles hold exactly. */
function upperProduct(a: number, b: number): number {
  const low = (a & 0xffff) * b;
  return Math.floor(((a >>> 16) * b + Math.floor(low / 2 ** 16)) / 2 ** 16);
}

/** Counters that make a group of elements, and the elements of one: native/math/dropout.h has the same. */
const [COUNTERS, GROUP] = [16, 64];

/**
 * What dropout multiplies each of `length` elements with: 1 / (1 - rate), or 0 for the rate's share of them. The same
 * bits as those of the native kernels.
 */
export function dropoutMask(key: PhiloxKey, rate: number, length: number): Float32Array {
  const exact = Math.fround(rate);
  const threshold = Math.floor(exact * 2 ** 32);
  const scale = Math.fround(1 / (1 - exact));
  const mask = new Float32Array(length);
  for (let first = 0; first < length; first += GROUP) {
    for (let i = 0; i < COUNTERS; ++i) {
      const counter = (first / GROUP) * COUNTERS + i;
      const words = philox([counter >>> 0, Math.floor(counter / 2 ** 32), 0, 0], key);
      // What lies past the end is not stored.
      for (const [k, word] of words.entries()) mask[first + k * COUNTERS + i] = word >= threshold ? scale : 0;
    }
  }
  return mask;
}
