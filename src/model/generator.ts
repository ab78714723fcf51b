import { mixed, upperHalf } from '../mixed.js';

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
    return mixed(state);
  };
}
