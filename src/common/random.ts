/**
 * Repeatable random numbers. The same words give the same numbers on every machine: the order of the data, sampling and a
 * model's first values depend on them.
 */

/** Rounds of the Feistel network. */
const ROUNDS = 8;

/** Mixes 32 bits, so that each bit of the result depends on all of them: the finaliser of MurmurHash3. */
export function murmurMix(bits: number): number {
  let z = bits | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}

/** The bits of a whole number above its lower 32, which bitwise operators do not see; 0 where there are none. */
export function upperHalf(value: number): number {
  return Math.trunc(value / 2 ** 32) | 0;
}

/** A hash, from 0 to 2^32 - 1, of whole numbers up to 2^53. */
export function hash(...words: readonly number[]): number {
  let state = 0;
  for (const word of words) {
    state = murmurMix(state ^ (word >>> 0)) + 0x9e3779b9;
    state = murmurMix(state ^ Math.floor(word / 2 ** 32)) + 0x9e3779b9;
  }
  return murmurMix(state) >>> 0;
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
      [left, right] = [right, left ^ (murmurMix(right ^ key) & (half - 1))];
    }
    return left * half + right;
  };
  return (index) => {
    let found = once(index);
    while (found >= count) found = once(found);
    return found;
  };
}

/**
 * A generator of normally distributed numbers that repeats itself for a seed: xoshiro128** (Blackman and Vigna 2018,
 * arXiv 1805.01407) under the polar form of Box and Muller's method (Marsaglia and Bray 1964).
 *
 * @param seed any whole number
 * @param stream another sequence for the same seed
 */
export function normalGenerator(
  seed: number,
  stream: number,
): (into: Float32Array, deviation: number) => void {
  const next = xoshiro(seed, stream);
  const signed = () => (next() + 0.5) / 2 ** 31 - 1; // between -1 and 1, neither 0 nor either
  return (into, deviation) => {
    for (let i = 0; i < into.length; i += 2) {
      let [a, b, square] = [0, 0, 1];
      while (square >= 1) {
        a = signed();
        b = signed();
        square = a * a + b * b;
      }
      const scale = deviation * Math.sqrt((-2 * Math.log(square)) / square);
      into[i] = a * scale;
      if (i + 1 < into.length) into[i + 1] = b * scale;
    }
  };
}

/** 32 bits a call. */
function xoshiro(seed: number, stream: number): () => number {
  const mix = splitmix(seed ^ Math.imul(stream + 1, 0x9e3779b9));
  const upper = upperHalf(seed);
  const more = upper === 0 ? () => 0 : splitmix(upper);
  let [s0, s1, s2, s3] = [mix(), mix() ^ more(), mix() ^ more(), (mix() ^ more()) | 1]; // not all 0
  return () => {
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = (s3 << 11) | (s3 >>> 21);
    return result;
  };
}

/** Mixed bits of successive numbers: what xoshiro wants to begin with. */
function splitmix(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return murmurMix(state);
  };
}
