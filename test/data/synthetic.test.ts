import { describe, expect, test } from 'vitest';
import { type SyntheticSource, syntheticLanguage } from '../../src/data/synthetic.js';
import { expectError, readAll } from './harness.js';

/** Nats per token of the true model on a text. */
function crossEntropy(source: SyntheticSource): { mean: number; deviation: number } {
  const tokens = readAll(source);
  let [sum, squares] = [0, 0];
  for (let i = 2; i < tokens.length; ++i) {
    const nats = -Math.log(source.probability(tokens[i - 2]!, tokens[i - 1]!, tokens[i]!));
    sum += nats;
    squares += nats * nats;
  }
  const count = tokens.length - 2;
  const mean = sum / count;
  return { mean, deviation: Math.sqrt((squares / count - mean * mean) / count) };
}

/** Nats per token of the best model that sees the `order` tokens before, by counting. */
function empiricalEntropy(tokens: Int32Array, vocabulary: number, order: number): number {
  const contexts = vocabulary ** order;
  const counts = new Float64Array(contexts * vocabulary);
  const totals = new Float64Array(contexts);
  for (let i = order; i < tokens.length; ++i) {
    const context = order === 0 ? 0 : tokens[i - 1]!;
    ++counts[context * vocabulary + tokens[i]!]!;
    ++totals[context]!;
  }
  let sum = 0;
  for (const [i, count] of counts.entries()) {
    if (count > 0) sum -= count * Math.log(count / totals[Math.floor(i / vocabulary)]!);
  }
  return sum / (tokens.length - order);
}

describe.each([
  { vocabulary: 4, seed: 1 },
  { vocabulary: 37, seed: 2 },
  { vocabulary: 64, seed: 0 },
  { vocabulary: 256, seed: 3 },
])('a language of $vocabulary tokens', ({ vocabulary, seed }) => {
  const source = syntheticLanguage({ vocabulary, seed, length: 400_000 });

  test('has distributions that sum to one', () => {
    for (const [before, last] of [
      [0, 0],
      [1, vocabulary - 1],
      [vocabulary - 1, 2],
    ] as const) {
      let sum = 0;
      for (let next = 0; next < vocabulary; ++next) sum += source.probability(before, last, next);
      expect(sum).toBeCloseTo(1, 12);
    }
  });

  test('has text whose cross-entropy under the true model is the entropy', () => {
    const { mean, deviation } = crossEntropy(source);
    // The terms are correlated along the text: a deviation of the mean twice that of independent ones is generous.
    expect(Math.abs(mean - source.entropy)).toBeLessThan(4 * 2 * deviation);
    expect(deviation).toBeLessThan(0.003);
  });

  test('uses every token', () => {
    expect(new Set(readAll(source)).size).toBe(vocabulary);
  });
});

test('the entropy is that of the chain, worked out the long way', () => {
  const vocabulary = 9;
  const source = syntheticLanguage({ vocabulary, seed: 5, length: 1 });
  // The chain of all pairs of tokens, with no knowledge of classes.
  const pairs = vocabulary * vocabulary;
  let current = new Float64Array(pairs).fill(1 / pairs);
  for (let step = 0; step < 2000; ++step) {
    const following = new Float64Array(pairs);
    for (let pair = 0; pair < pairs; ++pair) {
      const [a, b] = [Math.floor(pair / vocabulary), pair % vocabulary];
      for (let c = 0; c < vocabulary; ++c)
        following[b * vocabulary + c]! += current[pair]! * source.probability(a, b, c);
    }
    current = following;
  }
  let entropy = 0;
  for (let pair = 0; pair < pairs; ++pair) {
    for (let c = 0; c < vocabulary; ++c) {
      const p = source.probability(Math.floor(pair / vocabulary), pair % vocabulary, c);
      entropy -= current[pair]! * p * Math.log(p);
    }
  }
  expect(source.entropy).toBeCloseTo(entropy, 10);
});

test('there is something to learn from one token back, and more from two', () => {
  const source = syntheticLanguage();
  const tokens = readAll(source);
  const none = empiricalEntropy(tokens, 64, 0);
  const one = empiricalEntropy(tokens, 64, 1);
  expect(none).toBeLessThan(Math.log(64));
  expect(one).toBeLessThan(none - 0.2);
  expect(source.entropy).toBeLessThan(one - 0.2);
});

test('the same options give the same text, the sides and seeds others', () => {
  const text = (options: object): string => readAll(syntheticLanguage({ length: 2000, ...options })).join();
  expect(text({})).toBe(text({ seed: 0, vocabulary: 64, side: 'train' }));
  expect(new Set([text({}), text({ side: 'heldout' }), text({ seed: 1 })]).size).toBe(3);
  expect(syntheticLanguage({ length: 1, side: 'heldout' }).entropy).toBe(
    syntheticLanguage({ length: 1 }).entropy,
  );
  // Written once; another text would make figures of other machines and versions incomparable.
  expect([...readAll(syntheticLanguage({ length: 12 }))]).toEqual([
    44, 24, 26, 9, 22, 62, 21, 20, 35, 5, 34, 8,
  ]);
});

test('what is out of range is refused', async () => {
  await expectError(() => syntheticLanguage({ vocabulary: 3 }), /vocabulary is 3; expected .* 4 to 1024/);
  await expectError(() => syntheticLanguage({ vocabulary: 1025 }), /vocabulary is 1025/);
  await expectError(() => syntheticLanguage({ length: 0 }), /length is 0/);
  await expectError(() => syntheticLanguage({ seed: -1 }), /seed is -1/);
  const source = syntheticLanguage({ length: 10 });
  await expectError(() => source.read(8, new Int32Array(3)), /tokens 8 to 11; expected within 0 to 10/);
});
